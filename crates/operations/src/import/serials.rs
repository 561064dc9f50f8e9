//! Serials that an import generates.

use std::collections::HashMap;

use tegata_common::domain::Domain;
use tegata_common::product::ProductSlug;
use tegata_common::serial::{Serial, SerialHash};

use crate::new_serial;

/// Serials of new licences: those that were generated before, and those that are generated now.
///
/// The caller keeps them before the licences are written: a serial that is stored as a hash only
/// would be lost with the process.
#[derive(Debug, Default)]
pub struct Serials {
    /// Whether the caller keeps generated serials.
    is_kept: bool,
    known: HashMap<(String, String), Serial>,
    added: HashMap<(String, String), Serial>,
}

/// A serial that cannot be generated.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// Generated serials would be lost.
    #[error(
        "a new licence needs one; state it, or say --serials FILE to have serials generated and \
         written to FILE"
    )]
    NotKept,
    /// The operating system gave no random number.
    #[error(transparent)]
    Random(#[from] getrandom::Error),
}

impl Serials {
    /// Serials that the caller keeps, with those that it has by domain and product: an import that
    /// was broken off gives the same serials.
    pub fn kept(known: HashMap<(String, String), Serial>) -> Self {
        Self {
            is_kept: true,
            known,
            added: HashMap::new(),
        }
    }

    /// Whether generated serials are kept.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// The serial of a new licence, as a hash.
    pub(super) fn of(
        &mut self,
        domain: &Domain,
        product: &ProductSlug,
    ) -> Result<SerialHash, SerialError> {
        if !self.is_kept {
            return Err(SerialError::NotKept);
        }
        let key = (domain.to_string(), product.to_string());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.hash());
        }
        let serial = new_serial()?;
        let hash = serial.hash();
        self.added.insert(key, serial);
        Ok(hash)
    }

    /// Takes the serial that was generated for a licence, if one was.
    pub fn take_added(&mut self, domain: &Domain, product: &ProductSlug) -> Option<Serial> {
        self.added
            .remove(&(domain.to_string(), product.to_string()))
    }
}
