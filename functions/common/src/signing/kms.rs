//! Signing keys in AWS KMS.

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec, Tag};
use p256::ecdsa::Signature;
use p256::pkcs8::DecodePublicKey as _;
use sha2::{Digest as _, Sha256};

use super::{Jwk, KeyLocation, SigningError};

/// Lets KMS sign a message.
pub(super) async fn sign(
    client: &Client,
    key_id: &str,
    message: &[u8],
) -> Result<Signature, SigningError> {
    let output = client
        .sign()
        .key_id(key_id)
        .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
        .message_type(MessageType::Digest)
        .message(Blob::new(Sha256::digest(message).to_vec()))
        .send()
        .await
        .map_err(SigningError::kms)?;
    let der = output.signature.unwrap_or_else(|| Blob::new(Vec::new()));
    signature_from_der(der.as_ref())
}

/// KMS answers in DER; a JWS wants the two numbers.
fn signature_from_der(der: &[u8]) -> Result<Signature, SigningError> {
    Signature::from_der(der)
        .map_err(|_| SigningError::Kms("its answer is not an ECDSA signature on P-256".into()))
}

/// Makes a signing key in KMS, tagged so that roles can be limited to it.
pub(super) async fn create_kms_key(
    client: &Client,
    stack: &str,
) -> Result<(Jwk, KeyLocation), SigningError> {
    let tag = |key: &str, value: &str| {
        Tag::builder()
            .tag_key(key)
            .tag_value(value)
            .build()
            .map_err(SigningError::kms)
    };
    let created = client
        .create_key()
        .key_spec(KeySpec::EccNistP256)
        .key_usage(KeyUsageType::SignVerify)
        .description(format!("tegata lease signing, stack {stack}"))
        .tags(tag("tegata:stack", stack)?)
        .tags(tag("tegata:purpose", "lease-signing")?)
        .send()
        .await
        .map_err(SigningError::kms)?;
    let key_id = created
        .key_metadata
        .and_then(|metadata| metadata.arn)
        .ok_or_else(|| SigningError::Kms("CreateKey answered without an ARN".into()))?;
    let jwk = kms_public_key(client, &key_id).await?;
    Ok((jwk, KeyLocation::Kms(key_id)))
}

/// The public half of a KMS key.
async fn kms_public_key(client: &Client, key_id: &str) -> Result<Jwk, SigningError> {
    let output = client
        .get_public_key()
        .key_id(key_id)
        .send()
        .await
        .map_err(SigningError::kms)?;
    let der = output.public_key.unwrap_or_else(|| Blob::new(Vec::new()));
    let key = p256::PublicKey::from_public_key_der(der.as_ref())
        .map_err(|_| SigningError::Kms(format!("{key_id} is not an ECC_NIST_P256 key")))?;
    Ok(Jwk::of(&key))
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Signer as _;

    use super::*;

    #[test]
    fn der_signatures_become_raw_ones() {
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        // Signatures whose halves have leading zeros or a high bit differ in DER length.
        for message in 0..500_u32 {
            let signature: Signature = key.sign(&message.to_be_bytes());
            let read = signature_from_der(signature.to_der().as_bytes()).unwrap();
            assert_eq!(read.to_bytes(), signature.to_bytes());
        }
        for bad in [&b""[..], &[0x30], &[0x30, 0x06, 2, 1, 0, 2, 1, 0], &[0; 64]] {
            assert!(signature_from_der(bad).is_err());
        }
    }
}
