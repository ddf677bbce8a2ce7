//! What a small body that decodes to a huge one costs in memory. In a process of its own, because what
//! other tests allocate would be counted here.

use std::{fs, io::Write, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::StreamExt;
use http::{HeaderValue, StatusCode, header};
use pr_core::{
    Backend, BackendError, BackendExt, Capabilities, Capability, ErrorKind, ExchangeRequest,
    ExchangeResponse, MAX_BODY_SIZE, RequestConfig, Warnings,
};

const MIB: u64 = 1 << 20;

/// Answers with this, in gzip.
#[derive(Debug)]
struct Bomb {
    body: Bytes,
    warnings: Warnings,
}

impl Bomb {
    /// A member of 1 MiB of zeros so many times.
    fn of(mebibytes: usize) -> Arc<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder
            .write_all(&vec![0; 1 << 20])
            .expect("memory can be written to");
        let member = encoder.finish().expect("memory can be written to");
        Arc::new(Self {
            body: member.repeat(mebibytes).into(),
            warnings: Warnings::default(),
        })
    }
}

#[async_trait]
impl Backend for Bomb {
    fn name(&self) -> &'static str {
        "bomb"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of(&[Capability::Http1])
    }

    fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    async fn exchange(&self, _: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
        let mut response = ExchangeResponse::new(StatusCode::OK).with_body(self.body.clone());
        let gzip = HeaderValue::from_static("gzip");
        response.headers.insert(header::CONTENT_ENCODING, gzip);
        Ok(response)
    }

    async fn close(&self) {}
}

/// The most memory that this process has had resident, in bytes; `None` where the system does not
/// tell.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

#[tokio::test]
async fn a_bomb_takes_the_limit_in_memory_and_what_is_not_kept_next_to_nothing() {
    let bomb = Bomb::of(1024);
    assert!(bomb.body.len() as u64 <= 2 * MIB);

    let before = peak();
    let mut streamed = bomb.stream("http://bomb.example/").await.unwrap();
    while streamed.body_bytes_decoded() < 2 * MAX_BODY_SIZE {
        streamed.next().await.unwrap().unwrap();
    }
    drop(streamed);
    let after_streaming = peak();

    let discarded = RequestConfig::get("http://bomb.example/").discard_body(true);
    let discarded = bomb.request(discarded).await.unwrap();
    assert_eq!(discarded.body_bytes_decoded(), 1024 * MIB);
    let after_discarding = peak();

    let error = bomb
        .request("http://bomb.example/")
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    let after_limit = peak();

    let peaks = (before, after_streaming, after_discarding, after_limit);
    if let (Some(before), Some(streamed), Some(discarded), Some(limited)) = peaks {
        let (by_stream, by_limit) = (streamed - before, limited - before);
        let by_discarding = discarded - before;
        assert!(by_stream <= 4 * MIB, "a stream took {by_stream} bytes");
        assert!(
            by_discarding <= 4 * MIB,
            "a body that is not kept took {by_discarding} bytes"
        );
        assert!(
            by_limit <= MAX_BODY_SIZE + 16 * MIB,
            "the limit took {by_limit} bytes"
        );
    }
}
