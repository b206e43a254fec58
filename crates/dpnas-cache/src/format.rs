//! The file format of an entry; the crate's documentation describes it.

use crate::{DType, Key};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::ops::Range;

/// Version of the file format. A file of another version is a miss.
pub const FORMAT_VERSION: u32 = 2;
/// Largest number of bytes before the data: the fixed fields and the header.
pub const MAX_HEADER: usize = 64 * 1024;
/// The data begins at a multiple of this many bytes.
pub const ALIGNMENT: usize = 64;

const MAGIC: [u8; 8] = *b"dpnasemb";
const VERSION_AT: Range<usize> = 8..12;
const LENGTH_AT: Range<usize> = 12..16;
const CRC_AT: Range<usize> = 16..20;
const JSON_AT: usize = 20;
/// Bytes of data read at a time.
const PIECE: usize = 256 * 1024;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) key: Key,
    pub(crate) rows: u64,
    pub(crate) columns: u64,
    #[serde(rename = "element")]
    pub(crate) dtype: DType,
    pub(crate) crc32: u32,
}

/// Position, shape and type of the matrix in a checked file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) data_start: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) dtype: DType,
}

/// Why a file is not the entry of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("it is not a regular file")]
    NotAFile,
    #[error("its first bytes are not those of a cache entry")]
    Magic,
    #[error("it is written in version {0} of the format")]
    Version(u32),
    #[error("its header's length is wrong")]
    HeaderLength,
    #[error("its header is damaged")]
    HeaderChecksum,
    #[error("its header is malformed")]
    HeaderSyntax,
    #[error("it holds the matrix of another key")]
    OtherKey,
    #[error("its length is not that of the matrix")]
    DataLength,
    #[error("its data is damaged")]
    DataChecksum,
}

impl Header {
    /// Number of bytes before the data of a file with this key, enough for all values of the other header fields.
    pub(crate) fn reserved(key: &Key) -> usize {
        let widest = Self { key: key.clone(), rows: u64::MAX, columns: u64::MAX, dtype: DType::Bf16, crc32: u32::MAX };
        (JSON_AT + widest.json().len()).next_multiple_of(ALIGNMENT)
    }

    /// The bytes before the data. `reserved` is [`Header::reserved`] of the key.
    pub(crate) fn encode(&self, reserved: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(reserved);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend(((reserved - JSON_AT) as u32).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.json());
        bytes.resize(reserved, b' ');
        seal(&mut bytes);
        bytes
    }

    #[expect(clippy::expect_used, reason = "a header without its text would be no header")]
    fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and whole numbers always serialise")
    }
}

/// Checks that `file`, read from its start, is the complete and undamaged entry of `key`. `length` is its length.
///
/// Allocates at most a small multiple of [`MAX_HEADER`]. Reads the file piece by piece instead of through a map because
/// the pages of a map count as memory of the process.
pub(crate) fn check(mut file: impl Read, length: u64, key: &Key) -> io::Result<Result<Layout, Damage>> {
    let header = match read_header(&mut file, length, key)? {
        Ok(header) => header,
        Err(damage) => return Ok(Err(damage)),
    };
    let (data_start, header) = header;
    let claimed = header.rows.checked_mul(header.columns).and_then(|values| values.checked_mul(header.dtype.bytes()));
    if claimed != Some(length - data_start as u64) {
        return Ok(Err(Damage::DataLength));
    }
    let (Ok(rows), Ok(columns @ 1..)) = (usize::try_from(header.rows), usize::try_from(header.columns)) else {
        return Ok(Err(Damage::DataLength));
    };
    let crc = data_crc(file, length - data_start as u64)?;
    let layout = Layout { data_start, rows, columns, dtype: header.dtype };
    Ok(if crc == Some(header.crc32) { Ok(layout) } else { Err(Damage::DataChecksum) })
}

/// The start of the data and the header of `key`'s entry.
fn read_header(file: &mut impl Read, length: u64, key: &Key) -> io::Result<Result<(usize, Header), Damage>> {
    let mut bytes = Vec::new();
    file.by_ref().take(JSON_AT as u64).read_to_end(&mut bytes)?;
    if bytes.len() < JSON_AT || !bytes.starts_with(&MAGIC) {
        return Ok(Err(Damage::Magic));
    }
    let version = number(&bytes, VERSION_AT);
    if version != FORMAT_VERSION {
        return Ok(Err(Damage::Version(version)));
    }
    let data_start = JSON_AT.saturating_add(number(&bytes, LENGTH_AT) as usize);
    if data_start > MAX_HEADER || !data_start.is_multiple_of(ALIGNMENT) || data_start as u64 > length {
        return Ok(Err(Damage::HeaderLength));
    }
    file.by_ref().take((data_start - JSON_AT) as u64).read_to_end(&mut bytes)?;
    if bytes.len() < data_start {
        return Ok(Err(Damage::HeaderLength));
    }
    if number(&bytes, CRC_AT) != header_crc(&bytes) {
        return Ok(Err(Damage::HeaderChecksum));
    }
    Ok(match serde_json::from_slice::<Header>(bytes.get(JSON_AT..).unwrap_or_default()) {
        Err(_) => Err(Damage::HeaderSyntax),
        Ok(header) if header.key != *key => Err(Damage::OtherKey),
        Ok(header) => Ok((data_start, header)),
    })
}

/// The checksum of the file's remaining bytes; `None` if there are not `length` of them.
fn data_crc(mut file: impl Read, length: u64) -> io::Result<Option<u32>> {
    let mut hasher = crc32fast::Hasher::new();
    let mut piece = vec![0; PIECE.min(usize::try_from(length).unwrap_or(PIECE)).max(1)];
    let mut total = 0;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok((total == length).then(|| hasher.finalize())),
            Ok(read) => {
                hasher.update(piece.get(..read).unwrap_or_default());
                total += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Fills in the header's checksum.
fn seal(header: &mut [u8]) {
    let crc = header_crc(header);
    if let Some(place) = header.get_mut(CRC_AT) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
}

fn header_crc(header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.get(..CRC_AT.start).unwrap_or_default());
    hasher.update(header.get(JSON_AT..).unwrap_or_default());
    hasher.finalize()
}

fn number(bytes: &[u8], at: Range<usize>) -> u32 {
    bytes.get(at).unwrap_or_default().iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> Key {
        Key::new().with("net", "[C(16,3,1,1,1), SM(10)]").with("seed", 7)
    }

    fn check(file: &[u8], key: &Key) -> Result<Layout, Damage> {
        super::check(file, file.len() as u64, key).unwrap()
    }

    /// A file with the given JSON as header, its correct checksum, and `data`.
    fn file(json: &[u8], data: &[u8]) -> Vec<u8> {
        let empty = Header { key: Key::new(), rows: 0, columns: 1, dtype: DType::F32, crc32: 0 };
        let reserved = (JSON_AT + json.len()).next_multiple_of(ALIGNMENT);
        let mut bytes = empty.encode(reserved.max(Header::reserved(&Key::new())));
        bytes[JSON_AT..].fill(b' ');
        bytes[JSON_AT..JSON_AT + json.len()].copy_from_slice(json);
        seal(&mut bytes);
        bytes.extend(data);
        bytes
    }

    #[test]
    fn value_stability_of_a_small_entry() {
        let data: Vec<u8> = [1.0f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let header = Header { key: key(), rows: 1, columns: 2, dtype: DType::F32, crc32: crc32fast::hash(&data) };
        let mut entry = header.encode(Header::reserved(&key()));
        entry.extend(data);
        assert_eq!(entry[..16], *b"dpnasemb\x02\0\0\0\xac\0\0\0");
        let json =
            br#"{"key":[["net","[C(16,3,1,1,1), SM(10)]"],["seed","7"]],"rows":1,"columns":2,"element":"f32","crc32":775923062}"#;
        assert_eq!(entry[JSON_AT..][..json.len()], *json);
        assert_eq!(entry[192..], [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
        assert_eq!(check(&entry, &key()), Ok(Layout { data_start: 192, rows: 1, columns: 2, dtype: DType::F32 }));
    }

    #[test]
    fn every_check_has_its_own_reason() {
        let good = Header { key: key(), rows: 2, columns: 1, dtype: DType::F32, crc32: crc32fast::hash(&[0; 8]) };
        let bytes = |header: Header| file(&header.json(), &[0; 8]);
        let layout = check(&bytes(good.clone()), &key()).unwrap();
        assert_eq!((layout.rows, layout.columns), (2, 1));

        let reason = |bytes: &[u8]| check(bytes, &key()).unwrap_err();
        assert_eq!(reason(b""), Damage::Magic);
        assert_eq!(reason(&[b'x'; 100]), Damage::Magic);
        let mut newer = bytes(good.clone());
        for version in [1, 3] {
            newer[VERSION_AT.start] = version;
            assert_eq!(reason(&newer), Damage::Version(version.into()));
        }
        for length in [0, 1, MAX_HEADER as u32, u32::MAX] {
            let mut bytes = bytes(good.clone());
            bytes[LENGTH_AT].copy_from_slice(&length.to_le_bytes());
            assert_eq!(reason(&bytes), Damage::HeaderLength);
        }
        let mut damaged = bytes(good.clone());
        damaged[JSON_AT] = b'[';
        assert_eq!(reason(&damaged), Damage::HeaderChecksum);
        assert_eq!(reason(&file(b"{}", &[])), Damage::HeaderSyntax);
        assert_eq!(reason(&bytes(Header { key: Key::new(), ..good.clone() })), Damage::OtherKey);
        assert_eq!(reason(&bytes(Header { rows: 3, ..good.clone() })), Damage::DataLength);
        assert_eq!(reason(&bytes(Header { dtype: DType::Bf16, ..good.clone() })), Damage::DataLength);
        assert_eq!(reason(&bytes(Header { crc32: 0, ..good })), Damage::DataChecksum);
    }

    #[test]
    fn a_file_that_ends_before_its_length_is_damaged() {
        let header = Header { key: key(), rows: 2, columns: 1, dtype: DType::F32, crc32: crc32fast::hash(&[0; 8]) };
        let bytes = file(&header.json(), &[0; 8]);
        let of = |read: usize| super::check(&bytes[..read], bytes.len() as u64, &key()).unwrap();
        assert!(of(bytes.len()).is_ok());
        assert_eq!(of(bytes.len() - 4), Err(Damage::DataChecksum));
        assert_eq!(of(100), Err(Damage::HeaderLength));
    }

    #[test]
    fn a_header_that_claims_a_huge_matrix_is_refused_by_the_files_length() {
        for (rows, columns) in
            [(u64::MAX, u64::MAX), (1 << 62, 1), (1 << 62, 4), (1 << 61, 2), (1, u64::MAX), (1 << 40, 1 << 20)]
        {
            for data in [&[][..], &[0; 64]] {
                for dtype in [DType::F32, DType::Bf16] {
                    let header = Header { key: key(), rows, columns, dtype, crc32: crc32fast::hash(data) };
                    let found = check(&file(&header.json(), data), &key());
                    assert_eq!(found, Err(Damage::DataLength), "{rows} x {columns} {dtype}");
                }
            }
        }
    }

    #[test]
    fn rows_without_columns_are_refused() {
        let header = Header { key: key(), rows: u64::MAX, columns: 0, dtype: DType::F32, crc32: 0 };
        assert_eq!(check(&file(&header.json(), &[]), &key()), Err(Damage::DataLength));
    }

    #[test]
    fn deeply_nested_headers_are_refused() {
        let nested = [br#"{"key":"#.as_slice(), &b"[".repeat(60_000)].concat();
        assert_eq!(check(&file(&nested, &[]), &key()), Err(Damage::HeaderSyntax));
    }

    proptest! {
        #[test]
        fn a_sealed_header_of_any_text_never_panics(json in "\\PC{0,200}", data: Vec<u8>) {
            prop_assert!(check(&file(json.as_bytes(), &data), &key()).is_err());
        }

        #[test]
        fn the_reserved_place_fits_every_header(fields: Vec<(String, String)>, rows: u64, columns: u64, crc32: u32) {
            let key = fields.into_iter().fold(Key::new(), |key, (name, value)| key.with(name, value));
            let reserved = Header::reserved(&key);
            for dtype in [DType::F32, DType::Bf16] {
                let bytes = Header { key: key.clone(), rows, columns, dtype, crc32 }.encode(reserved);
                prop_assert_eq!(bytes.len(), reserved);
                prop_assert_eq!(bytes.len() % ALIGNMENT, 0);
            }
        }
    }
}
