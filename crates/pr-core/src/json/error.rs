//! `BackendError` as JSON.

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Attempt, BackendError, Delivery, DnsFailure, ErrorKind, FailedHop, TimeoutPhase};

#[derive(Serialize, Deserialize)]
struct Fields {
    kind: ErrorKind,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backend: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
    delivery: Delivery,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<TimeoutPhase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dns_failure: Option<DnsFailure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxy_status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed_hop: Option<FailedHop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier_attempts: Vec<Attempt>,
    /// The causes, outermost first. Their types do not survive the journey.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
}

impl Serialize for BackendError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        Fields {
            kind: self.kind(),
            message: self.message().to_owned(),
            backend: self.backend_name().map(str::to_owned),
            url: self.url().map(str::to_owned),
            proxy: self.proxy().map(str::to_owned),
            delivery: self.delivery(),
            phase: self.timeout_phase(),
            dns_failure: self.dns_failure(),
            proxy_status: self.proxy_status().map(|status| status.as_u16()),
            failed_hop: self.failed_hop(),
            status_code: self.status_code().map(|status| status.as_u16()),
            earlier_attempts: self.earlier_attempts().to_vec(),
            causes,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BackendError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let mut error = match fields.phase {
            Some(phase) => Self::timeout(phase, fields.message),
            None => Self::new(fields.kind, fields.message),
        };
        error = error.with_delivery(fields.delivery);
        if let Some(failure) = fields.dns_failure {
            error = error.with_dns_failure(failure);
        }
        if let Some(status) = fields.proxy_status {
            let status = StatusCode::from_u16(status).map_err(de::Error::custom)?;
            error = error.with_proxy_status(status);
        }
        if let Some(hop) = fields.failed_hop {
            error = error.with_failed_hop(hop);
        }
        if let Some(status) = fields.status_code {
            let status = StatusCode::from_u16(status).map_err(de::Error::custom)?;
            error = error.with_status_code(status);
        }
        if let Some(backend) = fields.backend {
            error = error.with_backend(backend);
        }
        if let Some(url) = fields.url {
            error = error.with_redacted_url(url);
        }
        if let Some(proxy) = fields.proxy {
            error = error.with_proxy_at(proxy);
        }
        error = error.with_earlier_attempts(fields.earlier_attempts);
        if !fields.causes.is_empty() {
            error = error.with_source(fields.causes.join(": "));
        }
        Ok(error)
    }
}

/// Kinds, failures, deliveries and phases are the words of their `as_str`.
macro_rules! by_word {
    ($($type:ty: $all:expr;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                let known = $all.iter().copied().find(|value: &Self| value.as_str() == word);
                known.ok_or_else(|| {
                    de::Error::custom(format_args!(
                        "{word:?} is no {}",
                        stringify!($type)
                    ))
                })
            }
        }
    )*};
}

by_word! {
    ErrorKind: ErrorKind::ALL;
    DnsFailure: DnsFailure::ALL;
    TimeoutPhase: TimeoutPhase::ALL;
    FailedHop: FailedHop::ALL;
    Delivery: [Delivery::NotSent, Delivery::NotProcessed, Delivery::Unknown];
}
