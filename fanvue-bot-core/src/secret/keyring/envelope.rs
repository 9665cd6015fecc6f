//! The bytes of a sealed secret.
//!
//! ```text
//!   0  format version, 1
//!   1  algorithm, 1 = XChaCha20-Poly1305 for both layers
//!   2  master key id, 8 bytes
//!  10  nonce of the wrapped data key, 24
//!  34  wrapped data key, 32, and its tag, 16
//!  82  nonce of the secret, 24
//! 106  encrypted secret, and its tag, 16
//! ```

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::{KeyId, KeyringError, MasterKey};
use crate::entropy::Entropy;
use crate::secret::{Secret, SecretId, SecretOwner};

const VERSION: u8 = 1;
const XCHACHA20_POLY1305: u8 = 1;

/// The format, the algorithm and the master key's id.
pub(super) const HEADER: usize = 10;
const NONCE: usize = 24;
const TAG: usize = 16;
const WRAPPED: usize = 32 + TAG;

type DataKey = Zeroizing<[u8; 32]>;

/// A sealed secret, taken apart and not yet opened.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    key_id: KeyId,
    key_nonce: &'a [u8; NONCE],
    wrapped: &'a [u8; WRAPPED],
    /// The nonce of the secret and all after it.
    body: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes `sealed` apart.
    pub(super) fn read(sealed: &'a [u8]) -> Result<Self, KeyringError> {
        let (key_id, rest) = read_header(sealed)?;
        let (key_nonce, rest) = rest.split_first_chunk().ok_or(KeyringError::Truncated)?;
        let (wrapped, body) = rest.split_first_chunk().ok_or(KeyringError::Truncated)?;
        if body.len() < NONCE + TAG {
            return Err(KeyringError::Truncated);
        }
        Ok(Self {
            key_id,
            key_nonce,
            wrapped,
            body,
        })
    }

    pub(super) const fn key_id(&self) -> KeyId {
        self.key_id
    }

    pub(super) const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The data key.
    pub(super) fn unwrap(
        &self,
        id: &SecretId,
        master: &MasterKey,
    ) -> Result<DataKey, KeyringError> {
        let aad = associated_data(Layer::Key(self.key_id), id);
        let opened = cipher(master.expose())
            .decrypt(&XNonce::from(*self.key_nonce), payload(self.wrapped, &aad))
            .map(Zeroizing::new)
            .map_err(|_| KeyringError::Altered)?;
        let mut key = DataKey::default();
        if opened.len() != key.len() {
            return Err(KeyringError::Altered);
        }
        key.copy_from_slice(&opened);
        Ok(key)
    }

    /// The secret.
    pub(super) fn open_data(&self, id: &SecretId, key: &DataKey) -> Result<Secret, KeyringError> {
        let (nonce, encrypted) = self
            .body
            .split_first_chunk::<NONCE>()
            .ok_or(KeyringError::Truncated)?;
        let aad = associated_data(Layer::Secret, id);
        cipher(key)
            .decrypt(&XNonce::from(*nonce), payload(encrypted, &aad))
            .map(Secret::new)
            .map_err(|_| KeyringError::Altered)
    }

    /// A whole sealed secret from its `body`, with `key` wrapped under `master`.
    pub(super) fn wrap(
        id: &SecretId,
        master: &MasterKey,
        key: &DataKey,
        body: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, KeyringError> {
        let nonce = fresh_nonce(entropy)?;
        let aad = associated_data(Layer::Key(master.id()), id);
        let wrapped = cipher(master.expose())
            .encrypt(&XNonce::from(nonce), payload(key.as_slice(), &aad))
            .map_err(|_| KeyringError::TooLong)?;
        Ok([header(master.id()).as_slice(), &nonce, &wrapped, body].concat())
    }
}

/// Under which master key `sealed` is, and what follows the header.
pub(super) fn read_header(sealed: &[u8]) -> Result<(KeyId, &[u8]), KeyringError> {
    let (format, rest) = sealed.split_first_chunk().ok_or(KeyringError::Truncated)?;
    let &[version, algorithm] = format;
    if (version, algorithm) != (VERSION, XCHACHA20_POLY1305) {
        return Err(KeyringError::UnknownFormat { version, algorithm });
    }
    let (key_id, rest) = rest.split_first_chunk().ok_or(KeyringError::Truncated)?;
    Ok((KeyId::from_bytes(*key_id), rest))
}

/// What a secret that is sealed under `key` begins with.
pub(super) fn header(key: KeyId) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let (format, id) = header.split_at_mut(2);
    format.copy_from_slice(&[VERSION, XCHACHA20_POLY1305]);
    id.copy_from_slice(key.as_bytes());
    header
}

/// The nonce of the secret, and the secret encrypted under `key`.
pub(super) fn seal_data(
    id: &SecretId,
    secret: &Secret,
    key: &DataKey,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, KeyringError> {
    let nonce = fresh_nonce(entropy)?;
    let aad = associated_data(Layer::Secret, id);
    let encrypted = cipher(key)
        .encrypt(&XNonce::from(nonce), payload(secret.expose(), &aad))
        .map_err(|_| KeyringError::TooLong)?;
    Ok([nonce.as_slice(), &encrypted].concat())
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key).into())
}

const fn payload<'m>(msg: &'m [u8], aad: &'m [u8]) -> Payload<'m, 'm> {
    Payload { msg, aad }
}

fn fresh_nonce(entropy: &dyn Entropy) -> Result<[u8; NONCE], KeyringError> {
    let mut nonce = [0; NONCE];
    entropy.fill(&mut nonce)?;
    Ok(nonce)
}

/// Which of the two encryptions.
#[derive(Debug, Clone, Copy)]
enum Layer {
    Key(KeyId),
    Secret,
}

/// What a ciphertext is bound to. Every part has a fixed length or is last, so no two ids write the same
/// bytes.
fn associated_data(layer: Layer, id: &SecretId) -> Vec<u8> {
    let mut bytes = b"fanvue-bot secret\0".to_vec();
    bytes.extend([VERSION, XCHACHA20_POLY1305]);
    match layer {
        Layer::Key(key) => {
            bytes.push(0);
            bytes.extend(key.as_bytes());
        }
        Layer::Secret => bytes.push(1),
    }
    match id.owner {
        SecretOwner::Deployment => bytes.push(0),
        SecretOwner::Creator(creator) => {
            bytes.push(1);
            bytes.extend(creator.as_uuid().as_bytes());
        }
        SecretOwner::Agency(agency) => {
            bytes.push(2);
            bytes.extend(agency.as_uuid().as_bytes());
        }
    }
    bytes.extend(id.kind.as_str().as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.trim_matches('-').as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn the_vectors_of_wycheproof_pass() {
        let vectors = include_str!("wycheproof.txt");
        let mut counts = [0, 0];
        for line in vectors.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(' ').collect();
            let [id, result, key, nonce, aad, message, encrypted, tag] = fields[..] else {
                panic!("{line}");
            };
            let key: [u8; 32] = bytes(key).try_into().unwrap();
            let nonce = XNonce::from(<[u8; NONCE]>::try_from(bytes(nonce)).unwrap());
            let (aad, message) = (bytes(aad), bytes(message));
            let whole = [bytes(encrypted), bytes(tag)].concat();
            let opened = cipher(&key).decrypt(&nonce, payload(&whole, &aad));
            if result == "valid" {
                assert_eq!(opened.as_ref().ok(), Some(&message), "{id}");
                let sealed = cipher(&key).encrypt(&nonce, payload(&message, &aad));
                assert_eq!(sealed.ok(), Some(whole), "{id}");
                counts[0] += 1;
            } else {
                assert!(opened.is_err(), "{id}");
                counts[1] += 1;
            }
        }
        assert_eq!(counts, [246, 60]);
    }
}
