//! Signing keys in AWS KMS.

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use p256::ecdsa::Signature;
use p256::pkcs8::DecodePublicKey as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use tegata_common::keys::{Jwk, KeyLocation, KeyPurpose};

use crate::{SigningError, jwk_of};

/// Signs a message with a KMS key.
pub(crate) async fn sign(
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

/// KMS returns DER; a JWS needs the two numbers.
fn signature_from_der(der: &[u8]) -> Result<Signature, SigningError> {
    Signature::from_der(der)
        .map_err(|_| SigningError::Kms("its answer is not an ECDSA signature on P-256".into()))
}

/// Creates a signing key in KMS, with a key policy that allows the stack's roles of the purpose to
/// sign.
///
/// `caller` is the ARN of the caller, which determines the account in the policy.
pub(crate) async fn create_kms_key(
    client: &Client,
    purpose: KeyPurpose,
    stack: &str,
    caller: &str,
) -> Result<(Jwk, KeyLocation), SigningError> {
    let created = client
        .create_key()
        .key_spec(KeySpec::EccNistP256)
        .key_usage(KeyUsageType::SignVerify)
        .description(format!("tegata {purpose} signing, stack {stack}"))
        .policy(key_policy(purpose, stack, caller)?)
        // The caller may not change key policies, and would fail the safety check. The account's
        // admins may, so that nobody is locked out.
        .bypass_policy_lockout_safety_check(true)
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

/// The template's roles that sign for a purpose. No function signs a release.
fn signing_roles(purpose: KeyPurpose) -> &'static [&'static str] {
    match purpose {
        KeyPurpose::Lease => &["RenewalRole", "ContractsRole"],
        KeyPurpose::Release => &["PublishingRole"],
    }
}

/// The maximum length of a role's name in IAM, and of the random part of the name STACK-ROLE-RANDOM
/// that CloudFormation gives to a role.
const LONGEST_ROLE: usize = 64;
const LONGEST_RANDOM: usize = 13;

/// The maximum length of a stack's name. CloudFormation shortens names of roles that would be longer
/// than IAM accepts, which the patterns in the policy would not match.
fn longest_stack(roles: &[&str]) -> usize {
    let longest = roles.iter().map(|role| role.len()).max().unwrap_or(0);
    LONGEST_ROLE - longest - LONGEST_RANDOM - "--".len()
}

/// The key policy of a stack's signing key.
///
/// The policy names the roles that may sign, so that no role needs a permission that would also
/// cover other keys. Permissions by tags would allow anybody who may tag keys to use any key of the
/// account. The policy denies tags of the form `tegata:*`, which allowed roles of older versions to
/// sign.
fn key_policy(purpose: KeyPurpose, stack: &str, caller: &str) -> Result<String, SigningError> {
    let parts: Vec<&str> = caller.splitn(6, ':').collect();
    let &["arn", partition, "sts" | "iam", _, account, _] = parts.as_slice() else {
        return Err(SigningError::NoAccount(caller.to_owned()));
    };
    let roles = signing_roles(purpose);
    let longest = longest_stack(roles);
    if stack.len() > longest {
        return Err(SigningError::StackName {
            longest,
            length: stack.len(),
        });
    }
    let arn = |role| format!("arn:{partition}:iam::{account}:role/{stack}-{role}-*");
    let roles: Vec<String> = roles.iter().map(arn).collect();
    let sid = match purpose {
        KeyPurpose::Lease => "TheStackSignsLeases",
        KeyPurpose::Release => "PublishersSignReleases",
    };
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AdminsByTheirOwnPolicies",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:{partition}:iam::{account}:root") },
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": sid,
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": "kms:Sign",
                "Resource": "*",
                "Condition": {
                    "StringEquals": {
                        "kms:CallerAccount": account,
                        "kms:SigningAlgorithm": "ECDSA_SHA_256",
                    },
                    "ArnLike": { "aws:PrincipalArn": roles },
                },
            },
            {
                "Sid": "NobodyTagsItAsAStacks",
                "Effect": "Deny",
                "Principal": { "AWS": "*" },
                "Action": ["kms:TagResource", "kms:UntagResource"],
                "Resource": "*",
                "Condition": { "ForAnyValue:StringLike": { "aws:TagKeys": "tegata:*" } },
            },
        ],
    });
    Ok(policy.to_string())
}

/// The public key of a KMS key.
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
    Ok(jwk_of(&key))
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Signer as _;

    use super::*;

    #[test]
    fn a_key_names_who_signs_and_is_not_tagged() {
        let caller = "arn:aws:sts::123456789012:assumed-role/tegata-KeysRole-A1/taro";
        for (purpose, signers) in [
            (
                KeyPurpose::Lease,
                json!([
                    "arn:aws:iam::123456789012:role/tegata-RenewalRole-*",
                    "arn:aws:iam::123456789012:role/tegata-ContractsRole-*",
                ]),
            ),
            (
                KeyPurpose::Release,
                json!(["arn:aws:iam::123456789012:role/tegata-PublishingRole-*"]),
            ),
        ] {
            let policy = key_policy(purpose, "tegata", caller).unwrap();
            let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
            let statements = policy["Statement"].as_array().unwrap();
            let [admins, signing, tagging] = statements.as_slice() else {
                panic!("{policy}");
            };
            assert_eq!(admins["Principal"]["AWS"], "arn:aws:iam::123456789012:root");
            assert_eq!(signing["Action"], "kms:Sign");
            let condition = &signing["Condition"];
            assert_eq!(condition["ArnLike"]["aws:PrincipalArn"], signers);
            assert_eq!(
                condition["StringEquals"]["kms:CallerAccount"],
                "123456789012"
            );
            assert_eq!(tagging["Effect"], "Deny");
        }
    }

    #[test]
    fn a_key_that_could_not_name_its_roles_is_not_made() {
        for caller in [
            "",
            "local:taro",
            "arn:aws:s3:::bucket",
            "arn:aws:sts::123456789012",
        ] {
            let refused = key_policy(KeyPurpose::Lease, "tegata", caller)
                .unwrap_err()
                .to_string();
            assert!(refused.contains("names no account"), "{refused}");
        }
        let caller = "arn:aws:iam::123456789012:user/taro";
        for (purpose, longest) in [(KeyPurpose::Lease, 36), (KeyPurpose::Release, 35)] {
            let policy = |length| key_policy(purpose, &"s".repeat(length), caller);
            assert!(policy(longest).is_ok());
            let refused = policy(longest + 1).unwrap_err().to_string();
            let reason = format!("at most {longest} characters");
            assert!(refused.contains(&reason), "{refused}");
        }
    }

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
