//! A route that takes a body of any size at constant memory.

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
