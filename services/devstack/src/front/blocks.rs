//! ClickHouse's own compressed blocks (`compress=1`, `decompress=1`): a CityHash128 checksum, a method, two lengths,
//! the bytes.

use std::io::{self, Read};

use cityhash_rs::cityhash_102_128;

const CHECKSUM_BYTES: usize = 16;
/// Method, compressed length (this header included), length of the content.
const HEADER_BYTES: usize = 9;
/// A server refuses larger blocks as well.
const MAX_BLOCK_BYTES: usize = 1 << 30;

/// How the content of a block is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    None = 0x02,
    Lz4 = 0x82,
    Zstd = 0x90,
}

/// Appends one block to `out`.
pub(super) fn write_block(content: &[u8], method: Method, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    out.resize(start + CHECKSUM_BYTES + HEADER_BYTES, 0);
    match method {
        Method::None => out.extend_from_slice(content),
        Method::Lz4 => out.extend_from_slice(&lz4_flex::block::compress(content)),
        Method::Zstd => out.extend_from_slice(&zstd::bulk::compress(content, 1)?),
    }
    let block = &mut out[start + CHECKSUM_BYTES..];
    block[0] = method as u8;
    let lengths = [length(block.len())?, length(content.len())?];
    block[1..5].copy_from_slice(&lengths[0].to_le_bytes());
    block[5..9].copy_from_slice(&lengths[1].to_le_bytes());
    let checksum = checksum(block);
    out[start..start + CHECKSUM_BYTES].copy_from_slice(&checksum);
    Ok(())
}

fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| invalid("a compressed block is longer than its length can say"))
}

/// The reference implementation writes the high half first.
fn checksum(block: &[u8]) -> [u8; CHECKSUM_BYTES] {
    cityhash_102_128(block).rotate_left(64).to_le_bytes()
}

/// Reads the content of a sequence of blocks. An input that ends inside a block is an error.
pub(super) struct BlockReader<R> {
    input: R,
    content: Vec<u8>,
    at: usize,
}

impl<R: Read> BlockReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, content: Vec::new(), at: 0 }
    }

    /// Reads the next block; `false` at the end of the input.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut head = [0; CHECKSUM_BYTES + HEADER_BYTES];
        match self.input.read(&mut head[..1])? {
            0 => return Ok(false),
            _ => self.input.read_exact(&mut head[1..])?,
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let (packed, length) = (word(CHECKSUM_BYTES + 1), word(CHECKSUM_BYTES + 5));
        if !(HEADER_BYTES..=MAX_BLOCK_BYTES).contains(&packed) || length > MAX_BLOCK_BYTES {
            return Err(invalid("a compressed block gives an impossible length"));
        }
        let mut block = head[CHECKSUM_BYTES..].to_vec();
        block.resize(packed, 0);
        self.input.read_exact(&mut block[HEADER_BYTES..])?;
        if checksum(&block) != head[..CHECKSUM_BYTES] {
            return Err(invalid("Checksum doesn't match: corrupted data"));
        }
        self.content = unpack(block[0], &block[HEADER_BYTES..], length)?;
        self.at = 0;
        Ok(true)
    }
}

fn unpack(method: u8, packed: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let content = match method {
        0x02 => packed.to_vec(),
        0x82 => lz4_flex::block::decompress(packed, length).map_err(|e| invalid(&e.to_string()))?,
        0x90 => zstd::bulk::decompress(packed, length)?,
        other => {
            return Err(invalid(&format!("unknown compression method of a block: {other:#04x}")));
        }
    };
    if content.len() == length {
        Ok(content)
    } else {
        Err(invalid("a compressed block does not give the length it states"))
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl<R: Read> Read for BlockReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.content.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let n = out.len().min(self.content.len() - self.at);
        out[..n].copy_from_slice(&self.content[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(content: &[u8], method: Method) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in content.chunks(1000) {
            write_block(piece, method, &mut out).unwrap();
        }
        out
    }

    fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        BlockReader::new(packed).read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let content: Vec<u8> = (0..5000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for method in [Method::None, Method::Lz4, Method::Zstd] {
            assert_eq!(unpacked(&packed(&content, method)).unwrap(), content);
        }
    }

    #[test]
    fn a_checksum_is_the_one_clickhouse_writes() {
        // `SELECT 1` in TabSeparated with compress=1 and network_compression_method=NONE, as a server sends it.
        let mut block = Vec::new();
        write_block(b"1\n", Method::None, &mut block).unwrap();
        assert_eq!(block[16..], [0x02, 11, 0, 0, 0, 2, 0, 0, 0, b'1', b'\n']);
        assert_eq!(block[..16], checksum(&block[16..]));
    }

    #[test]
    fn a_cut_or_changed_block_is_an_error() {
        let whole = packed(b"some rows, some more rows", Method::Lz4);
        for end in 1..whole.len() {
            let error = unpacked(&whole[..end]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {end}");
        }
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(unpacked(&changed).unwrap_err().to_string().contains("Checksum"));
        assert_eq!(unpacked(&[]).unwrap(), b"");
    }
}
