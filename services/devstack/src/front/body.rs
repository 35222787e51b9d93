//! Request bodies: received whole and unpacked before anything is run, so that a body cut short stores nothing.

use std::io::{self, BufRead, Read};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use lz4_flex::frame::FrameDecoder;
use tokio::sync::mpsc;

use super::blocks::BlockReader;
use super::exception::Exception;

/// Chunks on their way from the socket to the thread that unpacks them.
const CHUNKS_IN_FLIGHT: usize = 8;

/// One end of the way of a body: the socket writes, a blocking thread reads.
pub(super) type Chunks = mpsc::Receiver<io::Result<Bytes>>;

/// Starts to forward a body. The last chunk of one that breaks off is an error.
pub(super) fn forward(mut body: Incoming) -> Chunks {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    tokio::spawn(async move {
        while let Some(frame) = body.frame().await {
            let chunk = match frame {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => Ok(data),
                    Err(_trailers) => continue,
                },
                Err(error) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
            };
            let broken = chunk.is_err();
            // Where nobody wants the rest it is read all the same: a client that cannot send does not see the answer.
            let _ = sender.send(chunk).await;
            if broken {
                return;
            }
        }
    });
    receiver
}

/// Reads a body that nobody wants, so that its sender comes to see the answer.
pub(super) fn discard(body: Incoming) {
    drop(forward(body));
}

/// The encodings of a body, outermost first.
#[derive(Debug, Clone, Default)]
pub(super) struct Encodings {
    /// The `Content-Encoding` header.
    pub(super) content: Option<String>,
    /// `decompress=1`.
    pub(super) blocks: bool,
}

/// The body as the client meant it.
pub(super) fn unpacked(chunks: Chunks, encodings: &Encodings) -> Result<Box<dyn Read + Send>, Exception> {
    let raw = ChunkReader { chunks, chunk: Bytes::new() };
    let buffered = io::BufReader::with_capacity(64 << 10, raw);
    let content = match encodings.content.as_deref().map(str::trim) {
        None | Some("" | "identity") => Box::new(buffered) as Box<dyn Read + Send>,
        Some("gzip" | "x-gzip") => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Some("deflate") => Box::new(flate2::bufread::ZlibDecoder::new(buffered)),
        Some("lz4") => Box::new(Lz4Frames::new(buffered)),
        Some("zstd") => Box::new(zstd::stream::read::Decoder::with_buffer(buffered).map_err(unreadable)?),
        Some("br") => Box::new(brotli::Decompressor::new(buffered, 64 << 10)),
        Some(other) => {
            return Err(Exception::new(
                48,
                format!("Content-Encoding {other} is not supported: use gzip, deflate, lz4, zstd or br"),
            ));
        }
    };
    Ok(if encodings.blocks { Box::new(BlockReader::new(content)) } else { content })
}

/// What a client hears whose body cannot be read to its end.
pub(super) fn unreadable(error: io::Error) -> Exception {
    let code = match error.kind() {
        io::ErrorKind::UnexpectedEof => 3,
        io::ErrorKind::InvalidData if error.to_string().starts_with("Checksum") => 40,
        io::ErrorKind::StorageFull => 243,
        _ => 74,
    };
    Exception::new(code, format!("cannot read the request's body to its end: {error}; nothing was run"))
}

/// LZ4 frames one behind the other: clients write one for each of their blocks.
struct Lz4Frames<R: Read> {
    frame: Option<FrameDecoder<EndMark<R>>>,
}

impl<R: BufRead> Lz4Frames<R> {
    fn new(input: R) -> Self {
        Self { frame: Some(FrameDecoder::new(EndMark { input, seen: true })) }
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(frame) = &mut self.frame else {
                return Ok(0);
            };
            let n = frame.read(out)?;
            if n > 0 || out.is_empty() {
                return Ok(n);
            }
            let ended = frame.get_ref().seen;
            let Some(mut end) = self.frame.take().map(FrameDecoder::into_inner) else {
                return Ok(0);
            };
            if !ended {
                let message = "an LZ4 frame ends before its end mark";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
            if !end.input.fill_buf()?.is_empty() {
                *self = Self::new(end.input);
            }
        }
    }
}

/// Notices the end mark of an LZ4 frame: the decoder takes an input that stops between two blocks for a whole one.
struct EndMark<R> {
    input: R,
    seen: bool,
}

impl<R: Read> Read for EndMark<R> {
    /// The decoder looks for the beginning of a frame.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(out)?;
        self.seen &= n == 0;
        Ok(n)
    }

    /// The decoder reads a block's length, four bytes, or zero for the end; then the block; then checksums of four.
    fn read_exact(&mut self, out: &mut [u8]) -> io::Result<()> {
        self.input.read_exact(out)?;
        self.seen = if out.len() == 4 { self.seen || out.iter().all(|byte| *byte == 0) } else { false };
        Ok(())
    }
}

struct ChunkReader {
    chunks: Chunks,
    chunk: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let n = out.len().min(self.chunk.len());
        out[..n].copy_from_slice(&self.chunk.split_to(n));
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode::{Encoder, Encoding};
    use super::*;

    const ENCODINGS: [Encoding; 6] =
        [Encoding::Identity, Encoding::Gzip, Encoding::Deflate, Encoding::Lz4, Encoding::Zstd, Encoding::Brotli];

    fn packed(content: &[u8], encoding: Encoding) -> Vec<u8> {
        let mut encoder = Encoder::new(encoding).unwrap();
        let mut out = Vec::new();
        for piece in content.chunks(70_000) {
            out.extend(encoder.push(piece).unwrap());
        }
        out.extend(encoder.finish().unwrap());
        out
    }

    fn received(bytes: &[u8], encoding: Encoding) -> io::Result<Vec<u8>> {
        let (sender, chunks) = mpsc::channel(1000);
        for chunk in bytes.chunks(777) {
            sender.try_send(Ok(Bytes::copy_from_slice(chunk))).unwrap();
        }
        drop(sender);
        let encodings = Encodings { content: encoding.header().map(str::to_owned), blocks: false };
        let mut out = Vec::new();
        unpacked(chunks, &encodings).map_err(|e| io::Error::other(e.message))?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn rows() -> Vec<u8> {
        (0..40_000u32).flat_map(|i| format!("{i};\n\n").into_bytes()).collect()
    }

    #[test]
    fn every_encoding_comes_back_as_it_was() {
        for encoding in ENCODINGS {
            assert_eq!(received(&packed(&rows(), encoding), encoding).unwrap(), rows(), "{encoding:?}");
        }
    }

    #[test]
    fn streams_one_behind_the_other_are_read_to_the_last() {
        for encoding in [Encoding::Gzip, Encoding::Lz4, Encoding::Zstd] {
            let twice = [packed(b"one,", encoding), packed(b"two", encoding)].concat();
            assert_eq!(received(&twice, encoding).unwrap(), b"one,two", "{encoding:?}");
        }
    }

    #[test]
    fn nothing_is_a_whole_body() {
        assert_eq!(received(b"", Encoding::Lz4).unwrap(), b"");
    }

    #[test]
    fn a_cut_stream_is_an_error_and_not_a_short_body() {
        for encoding in ENCODINGS.into_iter().skip(1) {
            let whole = packed(&rows(), encoding);
            for end in [1, 4, whole.len() / 2, whole.len() - 1] {
                assert!(received(&whole[..end], encoding).is_err(), "{encoding:?} cut at {end}");
            }
        }
    }
}
