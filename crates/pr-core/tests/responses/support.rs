//! A backend that gives every request the same response, and encoders for what is in it.

use std::{
    fmt,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pr_core::{
    Backend, BackendError, BackendExt, Capabilities, Capability, ErrorKind, ExchangeRequest,
    ExchangeResponse, Frame, IncomingBody, NormalizedResponse, RequestConfig, StreamingResponse,
    Warnings,
};

/// A content coding, with both kinds of deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Zlib,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    pub(crate) const ALL: [Self; 5] = [
        Self::Gzip,
        Self::Zlib,
        Self::Deflate,
        Self::Brotli,
        Self::Zstd,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib | Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) fn encode(self, content: &[u8]) -> Vec<u8> {
        let level = Compression::default();
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Self::Deflate => {
                let mut encoder = DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
            Self::Brotli => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 18);
                encoder.write_all(content).unwrap();
                encoder.into_inner()
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            }
        }
    }
}

/// The content in these codings, the first one applied first, and what says so.
pub(crate) fn encoded(codings: &[Coding], content: &[u8]) -> (String, Vec<u8>) {
    let names: Vec<_> = codings.iter().map(|coding| coding.name()).collect();
    let body = codings
        .iter()
        .fold(content.to_vec(), |body, coding| coding.encode(&body));
    (names.join(", "), body)
}

/// What every request is answered with.
#[derive(Clone)]
pub(crate) struct Canned {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Arc<dyn Fn() -> IncomingBody + Send + Sync>,
    /// How many bytes of the body have been asked for.
    given: Arc<AtomicU64>,
    warnings: Arc<Warnings>,
}

impl Canned {
    /// A body that is there at once.
    pub(crate) fn whole(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::of(move |_| IncomingBody::full(body.clone()))
    }

    /// A body in pieces.
    pub(crate) fn pieces(pieces: Vec<Bytes>) -> Self {
        Self::frames(None, move || {
            stream::iter(pieces.clone()).map(|piece| Ok(Frame::Data(piece)))
        })
    }

    /// A body with anything in it.
    pub(crate) fn frames<S>(
        size_hint: Option<u64>,
        frames: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self
    where
        S: Stream<Item = Result<Frame, BackendError>> + Send + 'static,
    {
        Self::of(move |given| {
            let given = Arc::clone(given);
            let counted = frames().inspect(move |frame| {
                if let Ok(Frame::Data(piece)) = frame {
                    given.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            });
            IncomingBody::streaming(counted, size_hint)
        })
    }

    fn of(body: impl Fn(&Arc<AtomicU64>) -> IncomingBody + Send + Sync + 'static) -> Self {
        let given = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&given);
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Arc::new(move || body(&counter)),
            given,
            warnings: Arc::default(),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let name = HeaderName::from_static(name);
        self.headers
            .append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn coding(self, names: &str) -> Self {
        self.header("content-encoding", names)
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// How many bytes of the body have been asked for.
    pub(crate) fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    pub(crate) async fn get(&self) -> Result<NormalizedResponse, BackendError> {
        self.request(get()).await
    }

    pub(crate) async fn open(&self) -> StreamingResponse {
        self.stream(get()).await.unwrap()
    }

    /// The kind of the error, both of a whole body and of a stream's.
    pub(crate) async fn failure(&self) -> ErrorKind {
        let whole = self.get().await.map(drop).unwrap_err();
        let mut streamed = self.open().await;
        let error = loop {
            match streamed.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("the stream ends well, but in memory it is: {whole}"),
            }
        };
        assert_eq!(error.to_string(), whole.to_string());
        assert!(streamed.next().await.is_none(), "it goes on after an error");
        whole.kind()
    }
}

pub(crate) fn get() -> RequestConfig {
    RequestConfig::get("http://test.example/")
}

/// Cut into pieces of these lengths, and the rest.
pub(crate) fn cut(body: &[u8], lengths: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(body);
    let mut pieces: Vec<_> = lengths
        .iter()
        .map(|&length| rest.split_to(length.min(rest.len())))
        .collect();
    pieces.push(rest);
    pieces
}

/// Runs it on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap().block_on(future)
}

impl fmt::Debug for Canned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canned")
    }
}

#[async_trait]
impl Backend for Canned {
    fn name(&self) -> &'static str {
        "canned"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of(&[Capability::Http1])
    }

    fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    async fn exchange(&self, _: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
        let mut response = ExchangeResponse::new(self.status);
        response.headers = self.headers.clone();
        response.body = (self.body)();
        Ok(response)
    }

    async fn close(&self) {}
}
