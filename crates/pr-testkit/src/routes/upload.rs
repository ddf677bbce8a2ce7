//! Routes that take a body of any size at constant memory.

use serde_json::json;

use super::request::Received;
use super::respond::{self, Answer};
use crate::content::Fnv1a64;

/// `/upload`: counts and hashes the body, and returns `bytes` and `fnv1a64` (16 hexadecimal digits).
pub(super) async fn upload(request: &mut Received) -> Answer {
    let mut hash = Fnv1a64::default();
    let mut bytes = 0;
    loop {
        match request.body.next().await {
            Ok(Some(chunk)) => {
                bytes += chunk.len() as u64;
                hash.update(&chunk);
            }
            Ok(None) => break,
            Err(error) => return respond::body_error(&error),
        }
    }
    respond::json(&json!({
        "bytes": bytes,
        "fnv1a64": format!("{:016x}", hash.finish()),
    }))
}

/// `/early`: answers before it has read the body, and goes on reading.
pub(super) fn early(mut request: Received) -> Answer {
    // A body that breaks off stays incomplete in the ledger, and there is nobody left to tell.
    tokio::spawn(async move { request.body.drain().await.ok() });
    respond::whole("text/plain", "early\n")
}
