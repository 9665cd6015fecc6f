use std::sync::atomic::{AtomicU8, Ordering};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use proptest::prelude::*;

use super::*;
use crate::entropy::{OsEntropy, Seed};
use crate::id::{AgencyId, CreatorId};
use crate::secret::SecretKind;

fn key(first: u8) -> MasterKey {
    let mut bytes = [7; 32];
    bytes[0] = first;
    MasterKey::from_bytes(&bytes).unwrap()
}

fn creator(number: u128) -> CreatorId {
    CreatorId::from_uuid(uuid::Uuid::from_u128(number))
}

fn agency(number: u128) -> AgencyId {
    AgencyId::from_uuid(uuid::Uuid::from_u128(number))
}

fn id() -> SecretId {
    SecretId::of_creator(creator(1), SecretKind::TokenSet)
}

/// Bytes that count up, so that a sealed value can be written down.
#[derive(Debug, Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        for byte in buffer {
            *byte = self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError::new())
    }
}

#[test]
fn any_altered_byte_keeps_a_secret_shut() {
    let ring = Keyring::new(key(1));
    let sealed = ring
        .seal(&id(), &Secret::new("a secret"), &OsEntropy)
        .unwrap();
    for at in 0..sealed.len() {
        for change in [1, 0x80, 0xff] {
            let mut altered = sealed.clone();
            altered[at] ^= change;
            assert!(ring.open(&id(), &altered).is_err(), "byte {at}");
        }
    }
    for length in 0..sealed.len() {
        assert!(ring.open(&id(), &sealed[..length]).is_err(), "{length}");
    }
    let longer = [sealed.as_slice(), &[0]].concat();
    assert_eq!(ring.open(&id(), &longer), Err(KeyringError::Altered));
}

#[test]
fn a_secret_moved_to_another_owner_or_kind_stays_shut() {
    let ring = Keyring::new(key(1));
    let ids: Vec<_> = SecretKind::ALL
        .iter()
        .flat_map(|&kind| {
            [
                SecretId::of_deployment(kind),
                SecretId::of_creator(creator(0), kind),
                SecretId::of_creator(creator(1), kind),
                SecretId::of_agency(agency(1), kind),
            ]
        })
        .collect();
    for from in &ids {
        let sealed = ring.seal(from, &Secret::new("s"), &OsEntropy).unwrap();
        for to in &ids {
            assert_eq!(ring.open(to, &sealed).is_ok(), from == to, "{from} {to}");
            assert_eq!(ring.rewrap(to, &sealed, &OsEntropy).is_ok(), from == to);
        }
    }
}

#[test]
fn a_secret_relabeled_with_another_live_key_stays_shut() {
    let old = Keyring::new(key(1));
    let ring = Keyring::builder(key(2)).other(key(1)).build().unwrap();
    let mut sealed = old.seal(&id(), &Secret::new("s"), &OsEntropy).unwrap();
    assert!(ring.open(&id(), &sealed).is_ok());
    sealed[2..10].copy_from_slice(ring.primary().as_bytes());
    assert_eq!(ring.open(&id(), &sealed), Err(KeyringError::Altered));
}

#[test]
fn rotation_wraps_again_without_touching_the_secret() {
    let secret = Secret::new("a secret");
    let old = Keyring::new(key(1));
    let both = Keyring::builder(key(2)).other(key(1)).build().unwrap();
    let new = Keyring::new(key(2));

    let sealed = old.seal(&id(), &secret, &OsEntropy).unwrap();
    assert!(!old.needs_rewrap(&sealed));
    assert!(both.needs_rewrap(&sealed));
    assert_eq!(both.open(&id(), &sealed).as_ref(), Ok(&secret));

    let moved = both.rewrap(&id(), &sealed, &OsEntropy).unwrap();
    assert!(!both.needs_rewrap(&moved));
    assert_eq!(Keyring::key_id_of(&moved), Ok(new.primary()));
    assert_eq!(new.open(&id(), &moved).as_ref(), Ok(&secret));
    assert_eq!(moved[82..], sealed[82..]);

    let error = new.open(&id(), &sealed).unwrap_err();
    assert_eq!(error, KeyringError::UnknownKey { key: old.primary() });
    let text = error.to_string();
    assert!(text.contains(&old.primary().to_string()), "{text}");
    assert!(!new.needs_rewrap(b"no sealed secret"));
}

#[test]
fn a_secret_sealed_by_version_one_opens_for_ever() {
    let ring = Keyring::new(key(1));
    let sealed = ring
        .seal(&id(), &Secret::new("a secret"), &Counting::default())
        .unwrap();
    let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
    // A format that changes needs another version number, or stored secrets are lost.
    assert_eq!(hex, include_str!("sealed.v1.hex").trim());
}

#[test]
fn a_master_key_is_read_in_every_usual_form() {
    let bytes: Vec<u8> = (0..32).map(|i| 251 - i).collect();
    let expected = MasterKey::from_bytes(&bytes).unwrap().id();
    for text in [
        "fbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0dfdedddc",
        "FBFAF9F8F7F6F5F4F3F2F1F0EFEEEDECEBEAE9E8E7E6E5E4E3E2E1E0DFDEDDDC\n",
        "+/r5+Pf29fTz8vHw7+7t7Ovq6ejn5uXk4+Lh4N/e3dw=",
        " +/r5+Pf29fTz8vHw7+7t7Ovq6ejn5uXk4+Lh4N/e3dw ",
        "-_r5-Pf29fTz8vHw7-7t7Ovq6ejn5uXk4-Lh4N_e3dw",
    ] {
        assert_eq!(MasterKey::from_text(text).map(|key| key.id()), Ok(expected));
    }
}

#[test]
fn a_bad_master_key_is_refused_with_the_reason() {
    for (text, error) in [
        ("", KeyringError::KeyText),
        ("correct horse battery staple", KeyringError::KeyText),
        ("c2hvcnQ=", KeyringError::KeyLength { found: 5 }),
        ("c2hvcnR=", KeyringError::KeyText),
        ("c2hvcnQ==", KeyringError::KeyText),
        ("c2hvc", KeyringError::KeyText),
        ("+_aa", KeyringError::KeyText),
        (&"0".repeat(64), KeyringError::PlaceholderKey),
        (&"z".repeat(64), KeyringError::KeyLength { found: 48 }),
    ] {
        let found = MasterKey::from_text(text).unwrap_err();
        assert_eq!(found, error, "{text}");
        assert!(found.to_string().contains("openssl rand -base64 32"));
    }
    let same = Keyring::builder(key(1)).other(key(1)).build();
    assert_eq!(same.unwrap_err(), KeyringError::SameKey);
    let three = Keyring::builder(key(1)).other(key(2)).other(key(3)).build();
    let error = three.unwrap_err();
    assert_eq!(error, KeyringError::TooManyKeys);
    assert!(error.to_string().contains("two can be live"), "{error}");
}

#[test]
fn without_randomness_nothing_is_sealed() {
    let ring = Keyring::new(key(1));
    let sealed = ring.seal(&id(), &Secret::new("s"), &NoEntropy);
    assert_eq!(sealed, Err(KeyringError::Entropy(EntropyError::new())));
}

#[test]
fn debug_shows_no_key() {
    let text = format!("{:?} {:?}", key(1), Keyring::new(key(1)));
    assert!(!text.contains("0707") && !text.contains("7, 7"), "{text}");
}

/// `draft-irtf-cfrg-xchacha-03`, appendix A.3.1.
#[test]
fn the_cipher_is_the_one_of_the_draft() {
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    };
    let key: [u8; 32] = std::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap());
    let nonce: [u8; 24] = std::array::from_fn(|i| 0x40 + u8::try_from(i).unwrap());
    let encrypted = XChaCha20Poly1305::new(&key.into())
        .encrypt(
            &XNonce::from(nonce),
            Payload {
                msg: b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
                       the future, sunscreen would be it.",
                aad: &bytes("50515253c0c1c2c3c4c5c6c7"),
            },
        )
        .unwrap();
    let expected = concat!(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb",
        "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452",
        "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9",
        "21f9664c97637da9768812f615c68b13b52e",
        "c0875924c1c7987947deafd8780acf49",
    );
    assert_eq!(encrypted, bytes(expected));
}

proptest! {
    #[test]
    fn what_is_sealed_opens(bytes in prop::collection::vec(any::<u8>(), 0..600), number: u128) {
        let ring = Keyring::new(key(1));
        let id = SecretId::of_creator(creator(number), SecretKind::WebhookSecret);
        let secret = Secret::new(bytes.clone());
        let sealed = ring.seal(&id, &secret, &OsEntropy).unwrap();
        prop_assert_eq!(sealed.len(), bytes.len() + 122);
        prop_assert!(bytes.len() < 8 || !sealed.windows(bytes.len()).any(|part| part == bytes));
        prop_assert_eq!(ring.open(&id, &sealed), Ok(secret));
    }

    #[test]
    fn no_bytes_open_or_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), header in any::<bool>()) {
        let ring = Keyring::new(key(1));
        let sealed = if header {
            [&[1, 1], ring.primary().as_bytes().as_slice(), &bytes].concat()
        } else {
            bytes
        };
        prop_assert!(ring.open(&id(), &sealed).is_err());
        prop_assert!(ring.rewrap(&id(), &sealed, &OsEntropy).is_err());
    }

    #[test]
    fn no_text_panics_as_a_master_key(text in "\\PC{0,80}") {
        let _ = MasterKey::from_text(&text);
    }
}

/// Rows, kinds, tenants and key ids, shuffled at random: a sealed value opens where it was sealed, and
/// nowhere else.
#[test]
fn of_ten_thousand_swaps_of_sealed_values_none_opens() {
    let rings = [Keyring::new(key(1)), Keyring::new(key(2))];
    let both = Keyring::builder(key(2)).other(key(1)).build().unwrap();
    let mut rows = Vec::new();
    for &kind in SecretKind::ALL {
        rows.push((SecretId::of_deployment(kind), 0));
        for number in 0..12 {
            rows.push((
                SecretId::of_creator(creator(number), kind),
                usize::from(number % 2 == 1),
            ));
            rows.push((
                SecretId::of_agency(agency(number), kind),
                usize::from(number % 3 == 1),
            ));
        }
    }
    let sealed: Vec<Vec<u8>> = rows
        .iter()
        .map(|(id, ring)| {
            // Equal secrets, so that a value in the wrong place could pass for the right one.
            rings[*ring]
                .seal(id, &Secret::new("a secret"), &OsEntropy)
                .unwrap()
        })
        .collect();
    for ((id, _), sealed) in rows.iter().zip(&sealed) {
        assert!(both.open(id, sealed).is_ok());
    }
    let last = u64::try_from(rows.len() - 1).unwrap();
    let draw = |label: String, high| {
        let drawn = Seed::new(1).derive(&label).in_range(0, high);
        usize::try_from(drawn).unwrap()
    };
    let mut swaps = 0;
    for swap in 0.. {
        let from = draw(format!("{swap} from"), last);
        let to = draw(format!("{swap} to"), last);
        if from == to {
            continue;
        }
        let mut moved = sealed[to].clone();
        // The whole value; its key id; its wrapped key; the secret itself.
        let part = [0..moved.len(), 2..10, 10..82, 82..moved.len()]
            [draw(format!("{swap} part"), 3)]
        .clone();
        moved[part.clone()].copy_from_slice(&sealed[from][part]);
        if moved == sealed[to] {
            // Both were sealed under one key, whose id is the same.
            continue;
        }
        assert!(
            both.open(&rows[to].0, &moved).is_err(),
            "{} into {}",
            rows[from].0,
            rows[to].0
        );
        swaps += 1;
        if swaps == 10_000 {
            break;
        }
    }
}
