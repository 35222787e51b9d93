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
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    });
    receiver
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
pub(super) fn unpacked(
    chunks: Chunks,
    encodings: &Encodings,
) -> Result<Box<dyn Read + Send>, Exception> {
    let raw = ChunkReader {
        chunks,
        chunk: Bytes::new(),
    };
    let buffered = io::BufReader::with_capacity(64 << 10, raw);
    let content = match encodings.content.as_deref().map(str::trim) {
        None | Some("" | "identity") => Box::new(buffered) as Box<dyn Read + Send>,
        Some("gzip" | "x-gzip") => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Some("deflate") => Box::new(flate2::bufread::ZlibDecoder::new(buffered)),
        Some("lz4") => Box::new(Lz4Frames::new(buffered)),
        Some("zstd") => {
            Box::new(zstd::stream::read::Decoder::with_buffer(buffered).map_err(unreadable)?)
        }
        Some("br") => Box::new(brotli::Decompressor::new(buffered, 64 << 10)),
        Some(other) => {
            return Err(Exception::new(
                48,
                format!(
                    "Content-Encoding {other} is not supported: use gzip, deflate, lz4, zstd or br"
                ),
            ));
        }
    };
    Ok(if encodings.blocks {
        Box::new(BlockReader::new(content))
    } else {
        content
    })
}

/// What a client hears whose body cannot be read to its end.
pub(super) fn unreadable(error: io::Error) -> Exception {
    let code = match error.kind() {
        io::ErrorKind::UnexpectedEof => 3,
        io::ErrorKind::InvalidData if error.to_string().starts_with("Checksum") => 40,
        io::ErrorKind::StorageFull => 243,
        _ => 74,
    };
    Exception::new(
        code,
        format!("cannot read the request's body to its end: {error}; nothing was run"),
    )
}

/// LZ4 frames one behind the other: clients write one for each of their blocks.
struct Lz4Frames<R: Read> {
    frame: Option<FrameDecoder<R>>,
}

impl<R: BufRead> Lz4Frames<R> {
    fn new(input: R) -> Self {
        Self {
            frame: Some(FrameDecoder::new(input)),
        }
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
            let Some(mut input) = self.frame.take().map(FrameDecoder::into_inner) else {
                return Ok(0);
            };
            if !input.fill_buf()?.is_empty() {
                self.frame = Some(FrameDecoder::new(input));
            }
        }
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
