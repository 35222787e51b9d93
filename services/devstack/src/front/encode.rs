//! Encodings of a response: as HTTP knows them, or ClickHouse's own blocks.

use std::io::{self, Write};

use super::blocks::{Method, write_block};

/// ClickHouse's size of a block before compression.
const BLOCK_BYTES: usize = 1 << 20;

/// How a response is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    /// `compress=1`.
    Blocks(Method),
    Gzip,
    Deflate,
    Lz4,
    Zstd,
    Brotli,
}

impl Encoding {
    /// The first encoding of an `Accept-Encoding` header that the front can write.
    pub(super) fn accepted(header: &str) -> Self {
        let refused = |parameters: &str| parameters.replace(' ', "").trim_end_matches(['0', '.']) == "q=";
        for item in header.split(',') {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let encoding = match name.trim() {
                "gzip" | "x-gzip" => Self::Gzip,
                "deflate" => Self::Deflate,
                "lz4" => Self::Lz4,
                "zstd" => Self::Zstd,
                "br" => Self::Brotli,
                _ => continue,
            };
            if !refused(parameters) {
                return encoding;
            }
        }
        Self::Identity
    }

    /// The `Content-Encoding` header, if the encoding is HTTP's.
    pub(super) fn header(self) -> Option<&'static str> {
        match self {
            Self::Identity | Self::Blocks(_) => None,
            Self::Gzip => Some("gzip"),
            Self::Deflate => Some("deflate"),
            Self::Lz4 => Some("lz4"),
            Self::Zstd => Some("zstd"),
            Self::Brotli => Some("br"),
        }
    }
}

/// Packs a response piece by piece.
pub(super) enum Encoder {
    Identity(Vec<u8>),
    Blocks { method: Method, pending: Vec<u8>, out: Vec<u8> },
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Deflate(flate2::write::ZlibEncoder<Vec<u8>>),
    Lz4(Box<lz4_flex::frame::FrameEncoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Encoder {
    pub(super) fn new(encoding: Encoding) -> io::Result<Self> {
        let level = flate2::Compression::new(3);
        Ok(match encoding {
            Encoding::Identity => Self::Identity(Vec::new()),
            Encoding::Blocks(method) => Self::Blocks { method, pending: Vec::new(), out: Vec::new() },
            Encoding::Gzip => Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), level)),
            Encoding::Deflate => Self::Deflate(flate2::write::ZlibEncoder::new(Vec::new(), level)),
            Encoding::Lz4 => Self::Lz4(Box::new(lz4_flex::frame::FrameEncoder::new(Vec::new()))),
            Encoding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 1)?),
            Encoding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), 64 << 10, 1, 22))),
        })
    }

    /// Takes content in and gives what is ready to be sent.
    pub(super) fn push(&mut self, content: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity(out) => out.extend_from_slice(content),
            Self::Blocks { method, pending, out } => {
                pending.extend_from_slice(content);
                let whole = pending.len() - pending.len() % BLOCK_BYTES;
                for block in pending[..whole].chunks(BLOCK_BYTES) {
                    write_block(block, *method, out)?;
                }
                pending.drain(..whole);
            }
            Self::Gzip(encoder) => encoder.write_all(content)?,
            Self::Deflate(encoder) => encoder.write_all(content)?,
            Self::Lz4(encoder) => encoder.write_all(content)?,
            Self::Zstd(encoder) => encoder.write_all(content)?,
            Self::Brotli(encoder) => encoder.write_all(content)?,
        }
        Ok(self.take())
    }

    /// Gives everything taken in so far, so that a reader can unpack it.
    pub(super) fn flush(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity(_) => {}
            Self::Blocks { method, pending, out } => {
                if !pending.is_empty() {
                    write_block(pending, *method, out)?;
                    pending.clear();
                }
            }
            Self::Gzip(encoder) => encoder.flush()?,
            Self::Deflate(encoder) => encoder.flush()?,
            Self::Lz4(encoder) => encoder.flush()?,
            Self::Zstd(encoder) => encoder.flush()?,
            Self::Brotli(encoder) => encoder.flush()?,
        }
        Ok(self.take())
    }

    /// Ends the encoding.
    pub(super) fn finish(mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity(_) | Self::Blocks { .. } => self.flush(),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Deflate(encoder) => encoder.finish(),
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Self::Identity(out) | Self::Blocks { out, .. } => out,
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Deflate(encoder) => encoder.get_mut(),
            Self::Lz4(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_encoding_that_is_known_and_not_refused_is_taken() {
        assert_eq!(Encoding::accepted("snappy, br;q=0, lz4, gzip"), Encoding::Lz4);
        assert_eq!(Encoding::accepted("gzip;q=0.5, zstd"), Encoding::Gzip);
        assert_eq!(Encoding::accepted("br; q=0.0, identity"), Encoding::Identity);
        assert_eq!(Encoding::accepted(""), Encoding::Identity);
    }
}
