//! The keys that sign leases and releases: their registers, and their place in the key store.

use jiff::ToSpan as _;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tegata_common::keys::{KeyLocation, KeyPurpose, KeyRegister, KeyState, Kid, RegisterError};
use tegata_common::revision::Revision;
use tegata_signing::KeyStore;
use tegata_storage::Key;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;

use crate::{Caller, Difference, Error, differences};

/// The stores that changes of keys read and write, and the caller.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The registers of keys, and the licences whose leases they sign.
    pub licenses: &'a Licenses,
    /// The current versions, whose release documents they sign.
    pub notices: &'a Notices,
    /// The key store.
    pub keys: &'a KeyStore,
    /// The stack that a new key is tagged with; empty on one machine.
    pub stack: &'a str,
    /// The caller, and the instant of the change.
    pub caller: Caller<'a>,
}

/// A register of keys as it was read.
struct Registered {
    register: KeyRegister,
    revision: Option<Revision>,
}

impl Registered {
    async fn read(licenses: &Licenses, purpose: KeyPurpose) -> Result<Self, Error> {
        let (register, revision) = licenses.key_register(purpose).await?;
        Ok(Self { register, revision })
    }

    fn changed(self, change: &'static str, after: KeyRegister) -> Result<PlannedKeys, Error> {
        let by_kid = |register: &KeyRegister| {
            let keys = register.keys.iter();
            // By key id instead of by position in the list.
            keys.map(|key| (key.jwk.kid.to_string(), json!(key)))
                .collect::<Map<String, Value>>()
        };
        Ok(PlannedKeys {
            change,
            purpose: after.purpose,
            differences: differences(Some(&by_kid(&self.register)), &by_kid(&after))?,
            after,
            revision: self.revision,
            removed: None,
        })
    }
}

/// A change of the register of keys that can be written, and has not been.
#[derive(Debug)]
pub struct PlannedKeys {
    /// The name under which history records it.
    pub change: &'static str,
    /// What the keys sign.
    pub purpose: KeyPurpose,
    /// The fields that would change, by key id.
    pub differences: Vec<Difference>,
    after: KeyRegister,
    revision: Option<Revision>,
    /// The key that is of no use after the change.
    removed: Option<Kid>,
}

/// What became of a change of the register of keys.
#[derive(Debug, Serialize)]
pub struct KeysReport {
    /// The name under which history records it.
    pub change: &'static str,
    /// What the keys sign.
    pub purpose: KeyPurpose,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// The fields that changed, or would change, by key id.
    pub differences: Vec<Difference>,
}

impl PlannedKeys {
    /// Writes the register, and removes a retired key from the key store, unless this is a dry run.
    pub async fn carry_out(
        self,
        context: &Context<'_>,
        dry_run: bool,
    ) -> Result<KeysReport, Error> {
        if !dry_run {
            let (table, key) = (context.licenses.table(), Key::key_register(self.purpose));
            let act = context.caller.change(self.change);
            let revision = self.revision.as_ref();
            table.put(&key, revision, &self.after, &act).await?;
            if let Some(kid) = &self.removed {
                context.keys.remove(self.purpose, kid)?;
            }
        }
        Ok(KeysReport {
            change: self.change,
            purpose: self.purpose,
            dry_run,
            differences: self.differences,
        })
    }
}

/// The register of the keys of a purpose.
pub async fn register(licenses: &Licenses, purpose: KeyPurpose) -> Result<KeyRegister, Error> {
    Ok(Registered::read(licenses, purpose).await?.register)
}

/// Checks that one more key can be created, and tells its state.
pub async fn plan_create(licenses: &Licenses, purpose: KeyPurpose) -> Result<KeyState, Error> {
    let register = register(licenses, purpose).await?;
    register.check_room()?;
    Ok(match register.keys.is_empty() {
        true => KeyState::Active,
        false => KeyState::Next,
    })
}

/// Creates a key in the key store, and registers it. The first key signs at once; a second one is
/// published ahead.
pub async fn create(context: &Context<'_>, purpose: KeyPurpose) -> Result<KeysReport, Error> {
    let before = Registered::read(context.licenses, purpose).await?;
    before.register.check_room()?;
    let caller = context.caller;
    let made = context.keys.create(purpose, context.stack, caller.name);
    let (jwk, location) = made.await?;
    let kid = jwk.kid.clone();
    let made = match &location {
        KeyLocation::Kms(id) => format!("KMS key {id}"),
        KeyLocation::File => format!("key {kid}"),
    };
    let after = before.register.with(jwk, location, caller.now)?;
    let planned = before.changed("create", after)?;
    match planned.carry_out(context, false).await {
        Ok(report) => Ok(report),
        Err(error) => {
            // Only a conflict says for certain that it is not registered, and so of no use to
            // anybody: after a time-out it may be the key that signs.
            if error.is_conflict() {
                context.keys.remove(purpose, &kid)?;
            }
            Err(Error::NotRegistered {
                made,
                error: Box::new(error),
            })
        }
    }
}

/// Plans to let the next key sign; the one before stays published.
pub async fn rotate(context: &Context<'_>, purpose: KeyPurpose) -> Result<PlannedKeys, Error> {
    let before = Registered::read(context.licenses, purpose).await?;
    let after = before.register.rotated(context.caller.now)?;
    before.changed("rotate", after)
}

/// Plans to stop publishing a key that does not sign, once no cached lease and no current release
/// can be signed with it; or at once, if it is forced, for a compromised key.
pub async fn retire(context: &Context<'_>, kid: &str, force: bool) -> Result<PlannedKeys, Error> {
    let before = registered_with(context.licenses, kid).await?;
    let after = before.register.without(kid)?;
    match before.register.purpose {
        _ if force => {}
        KeyPurpose::Lease => check_unused(context, &before.register, kid).await?,
        KeyPurpose::Release => check_signs_no_release(context, kid).await?,
    }
    let mut keys = before.register.keys.iter().map(|key| &key.jwk.kid);
    let removed = keys.find(|of| of.as_str() == kid).cloned();
    let mut planned = before.changed("retire", after)?;
    planned.removed = removed;
    Ok(planned)
}

/// The register that has a key.
async fn registered_with(licenses: &Licenses, kid: &str) -> Result<Registered, Error> {
    for purpose in KeyPurpose::ALL {
        let registered = Registered::read(licenses, purpose).await?;
        let mut keys = registered.register.keys.iter();
        if keys.any(|key| key.jwk.kid.as_str() == kid) {
            return Ok(registered);
        }
    }
    Err(RegisterError::Unknown(kid.to_owned()).into())
}

/// Rejects a key that signed the current release of a product: plug-ins that do not have the key
/// before pinned would not run it any more.
async fn check_signs_no_release(context: &Context<'_>, kid: &str) -> Result<(), Error> {
    for product in context.licenses.products().await? {
        let product = product.value.slug;
        let current = context.notices.current_version(&product).await?;
        let current = current.map(|stored| stored.value);
        if let Some(current) = current.filter(|current| current.is_signed_with(kid)) {
            return Err(Error::KeySignedRelease {
                kid: kid.to_owned(),
                product,
                version: current.rollout.version,
            });
        }
    }
    Ok(())
}

/// Rejects a key whose leases may be in use. Leases that plug-ins have cached may be as old as the
/// rotation and live for the longest lease days of any product: until then, retiring would stop
/// paying customers.
async fn check_unused(
    context: &Context<'_>,
    register: &KeyRegister,
    kid: &str,
) -> Result<(), Error> {
    let key = register.keys.iter().find(|key| key.jwk.kid.as_str() == kid);
    let Some(since) = key.and_then(|key| key.previous_since) else {
        return Ok(());
    };
    let products = context.licenses.products().await?;
    let licenses = context.licenses.all().await?.licenses;
    let policies = products.iter().map(|stored| &stored.value.policy);
    let policies = policies.chain(licenses.iter().map(|stored| &stored.value.license.policy));
    let days = policies.map(|policy| policy.lease_days).max().unwrap_or(0);
    // A renewal that was under way at the rotation signed on with the key before: a day more.
    let unused_from = since.checked_add((i64::from(days + 1) * 24).hours())?;
    if context.caller.now < unused_from {
        return Err(Error::KeyInCaches {
            kid: kid.to_owned(),
            until: unused_from,
        });
    }
    // The leases of licences that are over are not renewed, but still served as denials.
    let leases = licenses.iter().map(|stored| &stored.value.lease);
    match leases.filter(|lease| lease.kid == kid).count() {
        0 => Ok(()),
        leases => Err(Error::KeyInUse {
            kid: kid.to_owned(),
            leases,
        }),
    }
}
