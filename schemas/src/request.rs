//! Messages of `attribution.requests`, as bytes.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::wire::{Codec, Fixed16, WireError};
use crate::{AttributionRequest, Key, RequestReason, avro};

static CODEC: LazyLock<Codec> = Codec::lazy(|| Codec::new(avro::ATTRIBUTION_REQUEST));

/// Writes one request.
pub fn encode_request(request: &AttributionRequest) -> Vec<u8> {
    let message = Message { customer: Fixed16(request.customer.0.to_be_bytes()), reason: request.reason.into() };
    CODEC.encode(&message).expect("the wire type mirrors the schema, which a test round-trips")
}

/// Reads one request. A reason that this release does not know counts as [`RequestReason::Identity`]: reasons are for
/// people and metrics, the work is the same.
pub fn decode_request(bytes: &[u8]) -> Result<AttributionRequest, WireError> {
    let message: Message = CODEC.decode(bytes)?;
    Ok(AttributionRequest { customer: Key(u128::from_be_bytes(message.customer.0)), reason: message.reason.into() })
}

#[derive(Serialize, Deserialize)]
struct Message {
    customer: Fixed16,
    reason: WireReason,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireReason {
    Conversion,
    Identity,
    LateTouch,
    Forwarded,
    #[serde(other)]
    Unknown,
}

impl From<RequestReason> for WireReason {
    fn from(reason: RequestReason) -> Self {
        match reason {
            RequestReason::Conversion => WireReason::Conversion,
            RequestReason::Identity => WireReason::Identity,
            RequestReason::LateTouch => WireReason::LateTouch,
            RequestReason::Forwarded => WireReason::Forwarded,
        }
    }
}

impl From<WireReason> for RequestReason {
    fn from(reason: WireReason) -> Self {
        match reason {
            WireReason::Conversion => RequestReason::Conversion,
            WireReason::Unknown | WireReason::Identity => RequestReason::Identity,
            WireReason::LateTouch => RequestReason::LateTouch,
            WireReason::Forwarded => RequestReason::Forwarded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_as_they_were() {
        for reason in
            [RequestReason::Conversion, RequestReason::Identity, RequestReason::LateTouch, RequestReason::Forwarded]
        {
            let request = AttributionRequest { customer: Key(u128::MAX - 1), reason };
            let bytes = encode_request(&request);
            assert_eq!(bytes.len(), 27);
            assert_eq!(decode_request(&bytes).unwrap(), request);
        }
    }

    #[test]
    fn damaged_requests_are_errors() {
        let bytes = encode_request(&AttributionRequest { customer: Key(7), reason: RequestReason::Identity });
        for end in 0..bytes.len() {
            assert!(decode_request(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(decode_request(b"").is_err());
    }
}
