//! Writes the bytes of an entry row by row.

use crate::dtype::upper_half;
use crate::format::{Header, Layout};
use crate::{DType, Key};
use std::borrow::Cow;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// Size of the write buffer.
const BUFFER: usize = 256 * 1024;
/// Values narrowed at a time.
const PIECE: usize = 16 * 1024;

/// An unfinished entry. [`finish`](Self::finish) fills in its header.
pub(crate) struct EntryStream<W: Write> {
    out: BufWriter<W>,
    key: Key,
    columns: usize,
    dtype: DType,
    reserved: usize,
    data_bytes: u64,
    crc: crc32fast::Hasher,
}

impl<W: Write + Seek> EntryStream<W> {
    /// Starts an entry at the beginning of `out`. `reserved` is [`Header::reserved`] of the key.
    pub(crate) fn start(out: W, key: Key, columns: usize, dtype: DType, reserved: usize) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BUFFER, out);
        out.write_all(&vec![0; reserved])?;
        Ok(Self { out, key, columns, dtype, reserved, data_bytes: 0, crc: crc32fast::Hasher::new() })
    }

    /// Appends whole rows of values that are exact in the type.
    pub(crate) fn push(&mut self, rows: &[f32]) -> io::Result<()> {
        let data_bytes = self.data_bytes + self.dtype.bytes() * rows.len() as u64;
        let written = rows.chunks(PIECE).try_for_each(|piece| {
            let bytes = little_endian(self.dtype, piece);
            self.crc.update(&bytes);
            self.out.write_all(&bytes)
        });
        self.data_bytes = data_bytes;
        written
    }

    /// Fills in the header and flushes the buffer.
    pub(crate) fn finish(mut self) -> io::Result<(W, Layout)> {
        let Self { columns, dtype, .. } = self;
        let rows = self.data_bytes / (dtype.bytes() * columns as u64);
        let header = Header { key: self.key, rows, columns: columns as u64, dtype, crc32: self.crc.finalize() };
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header.encode(self.reserved))?;
        let out = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((out, Layout { data_start: self.reserved, rows: rows as usize, columns, dtype }))
    }
}

impl<W: Write> EntryStream<W> {
    /// Size of the entry with all rows pushed so far, including rows that could not be written.
    pub(crate) fn bytes(&self) -> u64 {
        self.reserved as u64 + self.data_bytes
    }
}

fn little_endian(dtype: DType, values: &[f32]) -> Cow<'_, [u8]> {
    match dtype {
        DType::F32 if cfg!(target_endian = "little") => Cow::Borrowed(bytemuck::cast_slice(values)),
        DType::F32 => Cow::Owned(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        DType::Bf16 => Cow::Owned(values.iter().flat_map(|&value| upper_half(value).to_le_bytes()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{self, Damage};
    use proptest::prelude::*;
    use std::io::Cursor;

    fn check(file: &[u8], key: &Key) -> Result<Layout, Damage> {
        format::check(file, file.len() as u64, key).unwrap()
    }

    /// A file on a disk with room for `room` bytes.
    struct SmallDisk {
        file: Cursor<Vec<u8>>,
        room: usize,
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = self.room.saturating_sub(self.file.position() as usize).min(bytes.len());
            if fits == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.file.write(&bytes[..fits])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for SmallDisk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.file.seek(to)
        }
    }

    fn write<W: Write + Seek>(out: W, key: &Key, chunks: &[Vec<f32>]) -> io::Result<(W, Layout)> {
        let mut stream = EntryStream::start(out, key.clone(), 1, DType::F32, Header::reserved(key))?;
        for chunk in chunks {
            stream.push(chunk)?;
        }
        stream.finish()
    }

    proptest! {
        #[test]
        fn an_entry_is_complete_exactly_if_there_is_room_for_it(
            chunks in prop::collection::vec(prop::collection::vec(any::<f32>(), 0..50), 0..5),
            room in 0usize..1500,
        ) {
            let key = Key::new().with("net", "x");
            let needed = Header::reserved(&key) + 4 * chunks.concat().len();
            match write(SmallDisk { file: Cursor::default(), room }, &key, &chunks) {
                Ok((disk, layout)) => {
                    prop_assert!(needed <= room);
                    prop_assert_eq!(disk.file.get_ref().len(), needed);
                    prop_assert_eq!(check(disk.file.get_ref(), &key), Ok(layout));
                }
                Err(error) => {
                    prop_assert!(needed > room);
                    prop_assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                }
            }
        }
    }

    #[test]
    fn an_unfinished_entry_is_not_an_entry() {
        let key = Key::new();
        let mut file = Cursor::new(Vec::new());
        let mut stream = EntryStream::start(&mut file, key.clone(), 1, DType::F32, Header::reserved(&key)).unwrap();
        stream.push(&[1.0; 100]).unwrap();
        stream.out.flush().unwrap();
        drop(stream);
        assert!(file.get_ref().len() > 400 && check(file.get_ref(), &key).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_told_by_its_kind() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let error = write(full, &Key::new(), &[vec![1.0; 100]]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
