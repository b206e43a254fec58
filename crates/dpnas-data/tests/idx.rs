//! The IDX reader against a writer, and against bytes that lie.

mod common;

use common::{gzip, idx};
use dpnas_data::idx::{Array, IdxError, MAX_ELEMENTS, parse, read_images, read_labels};
use proptest::prelude::*;
use std::fs;
use std::io::{self, Read};

fn message<const D: usize>(bytes: &[u8]) -> String {
    parse::<D>(bytes).unwrap_err().to_string()
}

#[test]
fn a_file_is_read_whether_its_name_says_that_it_is_compressed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let expected = Array { sizes: [2, 1, 2], bytes: vec![1, 2, 3, 255] };
    let plain = idx(&[2, 1, 2], &[1, 2, 3, 255]);
    for (name, content) in [("plain", plain.clone()), ("compressed", gzip(&plain)), ("plain.gz", plain)] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        assert_eq!(read_images(&path).unwrap(), expected, "{name}");
    }
    let path = folder.path().join("labels");
    fs::write(&path, idx(&[3], &[7, 0, 9])).unwrap();
    assert_eq!(read_labels(&path).unwrap(), [7, 0, 9]);
}

#[test]
fn an_empty_file_is_an_error() {
    assert_eq!(message::<3>(b""), "the file is empty; expected an IDX file: fetch it again");
    assert!(matches!(parse::<3>(&gzip(b"")[..]), Err(IdxError::Empty)));
}

#[test]
fn a_header_that_ends_early_is_an_error() {
    assert_eq!(
        message::<3>(&[0, 0, 8]),
        "the content ends after 3 bytes; expected a header of 16: the file is cut off, fetch it again"
    );
    assert!(matches!(parse::<3>(&idx(&[1, 1], &[])[..]), Err(IdxError::Dimensions { found: 2, expected: 3 })));
    assert!(matches!(parse::<1>(&[0u8, 0, 8, 1, 0, 0][..]), Err(IdxError::ShortHeader { found: 6, expected: 8 })));
}

#[test]
fn a_wrong_magic_number_is_an_error() {
    assert_eq!(
        message::<3>(b"\x89PNG\r\n\x1a\n"),
        "starts with 89 50 4e 47; expected 00 00 08 and the number of dimensions: not an IDX file"
    );
    assert!(matches!(parse::<3>(&[0u8, 0, 7, 3, 0, 0][..]), Err(IdxError::Magic { found: [0, 0, 7, 3] })));
}

#[test]
fn elements_other_than_bytes_are_an_error() {
    for code in [0x09, 0x0b, 0x0c, 0x0d, 0x0e] {
        let file = [0, 0, code, 1, 0, 0, 0, 1, 0, 0, 1, 0];
        assert!(matches!(parse::<1>(&file[..]), Err(IdxError::ElementType { code: found }) if found == code));
    }
    assert_eq!(
        message::<1>(&[0, 0, 0x0c, 1]),
        "holds elements of type 0x0c; expected 0x08, unsigned bytes: convert the file"
    );
}

#[test]
fn labels_where_images_are_expected_are_an_error() {
    assert_eq!(
        message::<3>(&idx(&[2], &[1, 2])),
        "the number of dimensions is 1; expected 3 (images have 3, labels 1): are images and labels mixed up?"
    );
}

#[test]
fn an_empty_set_is_an_error() {
    assert_eq!(
        message::<3>(&idx(&[0, 28, 28], &[])),
        "the header says 0 x 28 x 28 elements; expected at least one in each dimension: the set is empty, use another"
    );
    assert!(matches!(parse::<3>(&idx(&[5, 0, 3], &[])[..]), Err(IdxError::NoElements { .. })));
}

#[test]
fn a_header_that_promises_too_much_is_an_error_at_once() {
    assert_eq!(
        message::<3>(&idx(&[u32::MAX; 3], &[1, 2, 3])),
        "the header promises 4294967295 x 4294967295 x 4294967295 bytes; expected at most 1073741824: use fewer \
         images, or fetch a damaged file again"
    );
    assert!(matches!(parse::<1>(&idx(&[(1 << 30) + 1], &[])[..]), Err(IdxError::TooLarge { .. })));
    assert_eq!(MAX_ELEMENTS, 1 << 30);
}

#[test]
fn fewer_bytes_than_promised_are_an_error() {
    assert_eq!(
        message::<3>(&idx(&[100_000, 28, 28], &[1, 2, 3])),
        "the header promises 78400000 bytes but 3 follow: the file is cut off, fetch it again"
    );
}

#[test]
fn more_bytes_than_promised_are_an_error() {
    let file = idx(&[2], &[1, 2, 3]);
    let expected = "the header promises 2 bytes but more follow: the header is wrong, fetch the file again";
    assert_eq!(message::<1>(&file), expected);
    assert_eq!(message::<1>(&gzip(&file)), expected);
    let two_members = [gzip(&idx(&[2], &[1, 2])), gzip(&[3])].concat();
    assert_eq!(message::<1>(&two_members), expected);
}

#[test]
fn zeros_after_gzip_data_are_padding_but_nothing_else_is() {
    let member = |bytes: &[u8]| gzip(bytes);
    let file = idx(&[2], &[1, 2]);
    let padded = [member(&file[..7]), vec![0; 5], member(&file[7..]), vec![0; 100_000]].concat();
    assert_eq!(parse::<1>(&padded[..]).unwrap().bytes, [1, 2]);
    let message = message::<1>(&[member(&file), b"\0\0neither gzip nor padding".to_vec()].concat());
    assert!(message.contains("cannot read on after 10 bytes of content: invalid gzip header"), "{message}");
}

#[test]
fn damaged_gzip_data_is_an_error() {
    let mut file = gzip(&idx(&[4], &[1, 2, 3, 4]));
    let checksum = file.len() - 8;
    file[checksum] ^= 1;
    assert!(matches!(parse::<1>(&file[..]), Err(IdxError::Read { read: 12, .. })));
    assert_eq!(
        message::<1>(&file),
        "cannot read on after 12 bytes of content: corrupt gzip stream does not have a matching checksum; the file is \
         damaged or cut off: fetch it again"
    );
}

/// Gives the same bytes again and again.
struct Endless {
    cycle: Vec<u8>,
    at: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in buffer.iter_mut() {
            *byte = self.cycle[self.at];
            self.at = (self.at + 1) % self.cycle.len();
        }
        Ok(buffer.len())
    }
}

/// A deflate block that stores bytes as they are and is not the last.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u16;
    [&[0], &len.to_le_bytes()[..], &(!len).to_le_bytes(), bytes].concat()
}

#[test]
fn a_reader_stops_when_data_without_end_goes_beyond_the_promise() {
    let header = idx(&[10, 10, 10], &[]);
    assert!(matches!(parse::<3>(header.chain(io::repeat(0))), Err(IdxError::Excess { expected: 1000 })));

    let gzip_start = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], &stored(&header)[..]].concat();
    let bomb = gzip_start.chain(Endless { cycle: stored(&[0; 500]), at: 0 });
    assert!(matches!(parse::<3>(bomb), Err(IdxError::Excess { expected: 1000 })));
}

#[test]
fn a_failing_disk_is_an_error() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("sector not found"))
        }
    }
    let error = parse::<1>(idx(&[9], &[1, 2]).chain(Failing)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read on after 10 bytes of content: sector not found; the file is damaged or cut off: fetch it again"
    );
}

/// Small images with any pixels.
fn images() -> impl Strategy<Value = Array<3>> {
    (1u32..6, 1u32..6, 1u32..6).prop_flat_map(|(count, rows, columns)| {
        prop::collection::vec(any::<u8>(), (count * rows * columns) as usize)
            .prop_map(move |bytes| Array { sizes: [count, rows, columns], bytes })
    })
}

/// Bytes that look like an IDX file up to some point.
fn nearly_idx() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![Just(vec![]), Just(vec![0, 0, 8, 1]), Just(vec![0, 0, 8, 3]), Just(vec![0x1f, 0x8b, 8, 0])];
    (start, prop::collection::vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..64))
        .prop_map(|(start, rest)| [start, rest].concat())
}

proptest! {
    #[test]
    fn reading_gives_back_what_was_written(images in images()) {
        let file = idx(&images.sizes, &images.bytes);
        prop_assert_eq!(&parse::<3>(&file[..]).unwrap(), &images);
        prop_assert_eq!(&parse::<3>(&gzip(&file)[..]).unwrap(), &images);
    }

    #[test]
    fn a_valid_file_is_an_error_wherever_it_is_cut(images in images()) {
        let plain = idx(&images.sizes, &images.bytes);
        for file in [gzip(&plain), plain] {
            for len in 0..file.len() {
                prop_assert!(parse::<3>(&file[..len]).is_err(), "cut to {len} of {}", file.len());
            }
        }
    }

    #[test]
    fn a_valid_file_followed_by_anything_is_an_error(images in images(), rest in prop::collection::vec(1u8.., 1..20)) {
        let plain = idx(&images.sizes, &images.bytes);
        for file in [gzip(&plain), plain] {
            prop_assert!(parse::<3>(&[file, rest.clone()].concat()[..]).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_what_is_read_keeps_the_promise(bytes in nearly_idx()) {
        for bytes in [gzip(&bytes), bytes] {
            if let Ok(array) = parse::<3>(&bytes[..]) {
                prop_assert_eq!(array.sizes.iter().product::<u32>() as usize, array.bytes.len());
            }
            if let Ok(array) = parse::<1>(&bytes[..]) {
                prop_assert_eq!(array.sizes[0] as usize, array.bytes.len());
            }
        }
    }

    #[test]
    fn a_damaged_byte_is_noticed_or_harmless(images in images(), at: prop::sample::Index, flip in 1u8..) {
        let mut file = gzip(&idx(&images.sizes, &images.bytes));
        let at = at.index(file.len());
        file[at] ^= flip;
        // Harmless in the file's time or operating system, and in the unused bits at the end of the data.
        if let Ok(read) = parse::<3>(&file[..]) {
            prop_assert_eq!(read, images);
        }
    }
}
