use proptest::prelude::*;

use super::*;
use crate::webhook::{EventKey, claimed_account};

/// How many random requests the fuzz test makes in CI. More:
/// `FANVUE_WEBHOOK_FUZZ=1000000 cargo test -p fanvue-bot-core --release webhook::signature`.
const FUZZ_REQUESTS: u64 = 20_000;

const BODY: &[u8] = br#"{"recipientUuid":"5b0f3c1e-0000-4000-8000-00000000c0de","text":"hi"}"#;
const MAC: &str = "738f23af45d60d9d91e6b08d5a2d943b5c2d582f5830a086b7d5f1f2b260e1fb";
const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn secret() -> Secret {
    Secret::new("demo-signing-secret")
}

fn verifier() -> Verifier {
    Verifier::new(&secret()).unwrap()
}

/// Checks `header` on the reference's body and time.
#[track_caller]
fn check(header: &str, expected: Result<(), SignatureError>) {
    let found = verifier().verify(header.as_bytes(), BODY, NOW).map(|_| ());
    assert_eq!(found, expected, "{header:?}");
}

#[test]
fn the_reference_vector_verifies() {
    check(&format!("t=1790000000,v0={MAC}"), Ok(()));
    let signer = Signer::new(&secret()).unwrap();
    assert_eq!(signer.header(NOW, BODY), format!("t=1790000000,v0={MAC}"));
}

#[test]
fn harmless_variations_verify() {
    let other = "0".repeat(64);
    for header in [
        format!("t=1790000000, v0={MAC}"),
        format!("  t=1790000000 ,\tv0={MAC} "),
        format!("v0={MAC},t=1790000000"),
        format!("t=1790000000,v0={other},v0={MAC}"),
        format!("t=1790000000,v0={MAC},v0={other}"),
        format!("t=1790000000,v1=whatever,v0={MAC},kid=7,"),
    ] {
        check(&header, Ok(()));
    }
}

#[test]
fn a_header_that_is_not_exactly_right_is_refused() {
    use SignatureError::{LegacyScheme, Malformed, Mismatch, Missing, OutsideTolerance};
    let upper = MAC.to_uppercase();
    let short = &MAC[1..];
    let zeros = "0".repeat(64);
    let many = format!(",v0={MAC}").repeat(5);
    for (header, error) in [
        (String::new(), Missing),
        (" \t".into(), Missing),
        ("t=1790000000".into(), Malformed),
        (format!("v0={MAC}"), Malformed),
        (MAC.to_owned(), Malformed),
        (format!("t=,v0={MAC}"), Malformed),
        (format!("t=1790000000,t=1790000000,v0={MAC}"), Malformed),
        (format!("t=+1790000000,v0={MAC}"), Malformed),
        (format!("t=-1790000000,v0={MAC}"), Malformed),
        (format!("t=1790000000.0,v0={MAC}"), Malformed),
        (format!("t=1790000000000000000,v0={MAC}"), Malformed),
        (format!("t=99999999999999999999999,v0={MAC}"), Malformed),
        (format!("t=999999999999,v0={MAC}"), OutsideTolerance),
        (format!("t=01790000000,v0={MAC}"), Mismatch),
        (format!("t=1790000000,v0={upper}"), Malformed),
        (format!("t=1790000000,v0={short}"), Malformed),
        (format!("t=1790000000,v0={MAC}0"), Malformed),
        (format!("t=1790000000,v0=g{short}"), Malformed),
        (format!("t=1790000000,v0=é{}", &MAC[2..]), Malformed),
        ("t=1790000000,v0=".into(), Malformed),
        (format!("t=1790000000,v0={MAC},v0=00"), Malformed),
        (format!("t=1790000000{many}"), Malformed),
        (format!("t=1790000000;v0={MAC}"), Malformed),
        (format!("T=1790000000,V0={MAC}"), Malformed),
        (format!("t=1790000000,v0={zeros}"), Mismatch),
        (format!("t=1790000001,v0={MAC}"), Mismatch),
        (format!("sha256={MAC}"), LegacyScheme),
        (format!("sha256={short}"), Malformed),
    ] {
        check(&header, Err(error));
    }
}

#[test]
fn the_tolerance_holds_both_ways_and_is_a_setting() {
    let header = format!("t=1790000000,v0={MAC}");
    let verify = |verifier: &Verifier, seconds: i64| {
        let now = Timestamp::from_seconds(1_790_000_000 + seconds);
        verifier.verify(header.as_bytes(), BODY, now).is_ok()
    };
    for (seconds, ok) in [
        (0, true),
        (300, true),
        (-300, true),
        (301, false),
        (-301, false),
    ] {
        assert_eq!(verify(&verifier(), seconds), ok, "{seconds}");
    }
    let strict = verifier().tolerance(Duration::from_secs(5));
    for (seconds, ok) in [(5, true), (6, false), (-6, false)] {
        assert_eq!(verify(&strict, seconds), ok, "{seconds}");
    }
}

#[test]
fn each_live_secret_is_tried() {
    let old = Secret::new("old");
    let rotating = verifier().also(&old).unwrap();
    for (secret, index) in [(secret(), 0), (old, 1)] {
        let header = Signer::new(&secret).unwrap().header(NOW, BODY);
        let verified = rotating.verify(header.as_bytes(), BODY, NOW).unwrap();
        assert_eq!(verified.secret_index(), index);
        assert_eq!(verified.signed_at(), Some(NOW));
    }
    let header = Signer::new(&Secret::new("other"))
        .unwrap()
        .header(NOW, BODY);
    let found = rotating.verify(header.as_bytes(), BODY, NOW);
    assert_eq!(found.unwrap_err(), SignatureError::Mismatch);
}

#[test]
fn there_is_no_verifier_without_a_secret() {
    let empty = Secret::new("");
    assert_eq!(
        Verifier::new(&empty).unwrap_err(),
        VerifierError::EmptySecret
    );
    assert_eq!(
        verifier().also(&empty).unwrap_err(),
        VerifierError::EmptySecret
    );
    assert_eq!(Signer::new(&empty).unwrap_err(), VerifierError::EmptySecret);
}

#[test]
fn the_form_without_a_time_needs_the_switch() {
    let header = Signer::new(&secret()).unwrap().replayable_header(BODY);
    check(&header, Err(SignatureError::LegacyScheme));
    let lax = verifier().accept_replayable_sha256();
    let verified = lax.verify(header.as_bytes(), BODY, Timestamp::MAX).unwrap();
    assert_eq!(verified.signed_at(), None);
    // A timed signature does not pass as one without a time, nor the other way round.
    for header in [
        format!("sha256={MAC}"),
        header.replace("sha256=", "t=1790000000,v0="),
    ] {
        let found = lax.verify(header.as_bytes(), BODY, NOW);
        assert_eq!(found.unwrap_err(), SignatureError::Mismatch);
    }
}

#[test]
fn a_decoy_refuses_even_what_its_own_key_signed() {
    let header = Decoy::default().0.keys[0].sign([b"1790000000", b".", BODY]);
    let hex: String = header.iter().map(|byte| format!("{byte:02x}")).collect();
    let decoy = Decoy::like(&verifier().also(&Secret::new("old")).unwrap());
    assert_eq!(decoy.0.keys.len(), 2);
    for (header, error) in [
        (format!("t=1790000000,v0={hex}"), SignatureError::Mismatch),
        (format!("t=1790000000,v0={MAC}"), SignatureError::Mismatch),
        (format!("t=1,v0={MAC}"), SignatureError::OutsideTolerance),
        (String::new(), SignatureError::Missing),
    ] {
        assert_eq!(decoy.refuse(header.as_bytes(), BODY, NOW), error);
    }
}

#[test]
fn a_verifier_that_refuses_like_one_of_more_secrets_accepts_no_more() {
    let padded = verifier().refuse_like(3);
    assert_eq!((verifier().hmacs(), padded.hmacs()), (1, 3));
    assert_eq!(padded.clone().refuse_like(2).hmacs(), 3);
    let known_key = Decoy::default().0.keys[0].sign([b"1790000000", b".", BODY]);
    let hex: String = known_key.iter().map(|byte| format!("{byte:02x}")).collect();
    let forged = format!("t=1790000000,v0={hex}");
    assert_eq!(
        padded.verify(forged.as_bytes(), BODY, NOW).unwrap_err(),
        SignatureError::Mismatch
    );
    let header = format!("t=1790000000,v0={MAC}");
    let proved = padded.verify(header.as_bytes(), BODY, NOW).unwrap();
    assert_eq!(proved.secret_index(), 0);
}

#[test]
fn debug_shows_neither_secrets_nor_words() {
    let verifier = verifier();
    let header = format!("t=1790000000,v0={MAC}");
    let verified = verifier.verify(header.as_bytes(), BODY, NOW).unwrap();
    let text = format!("{verifier:?} {verified:?} {:?}", Signer::new(&secret()));
    assert!(!text.contains("demo") && !text.contains("hi\""), "{text}");
}

#[test]
fn one_changed_bit_of_header_body_or_secret_never_verifies() {
    let header = format!("t=1790000000,v0={MAC}").into_bytes();
    let secret = b"demo-signing-secret";
    for bit in 0..8 {
        for at in 0..header.len() {
            let mut changed = header.clone();
            changed[at] ^= 1 << bit;
            assert!(
                verifier().verify(&changed, BODY, NOW).is_err(),
                "{at} {bit}"
            );
        }
        for at in 0..BODY.len() {
            let mut changed = BODY.to_vec();
            changed[at] ^= 1 << bit;
            assert!(verifier().verify(&header, &changed, NOW).is_err());
        }
        for at in 0..secret.len() {
            let mut changed = *secret;
            changed[at] ^= 1 << bit;
            let verifier = Verifier::new(&Secret::new(changed)).unwrap();
            assert!(verifier.verify(&header, BODY, NOW).is_err());
        }
    }
}

/// A small generator: the point is many inputs in little time, and the same ones each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        crate::entropy::Seed::new(self.0).in_range(0, u64::MAX)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn bytes(&mut self, longest: usize) -> Vec<u8> {
        (0..self.below(longest + 1))
            .map(|_| self.next().to_le_bytes()[0])
            .collect()
    }

    /// Changes, removes or doubles pieces of `bytes`, at least one.
    fn mangle(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 if !bytes.is_empty() => bytes[at] ^= self.next().to_le_bytes()[0] | 1,
                1 => bytes.truncate(at),
                2 => bytes.extend_from_within(at..),
                _ => {
                    let piece = *[
                        &b"\""[..],
                        b"{",
                        b"[",
                        b"\\u",
                        b",",
                        b":null",
                        b"\0",
                        b"\xff",
                    ]
                    .get(self.below(8))
                    .unwrap();
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        bytes
    }
}

/// Random and mangled requests: none panics anywhere, none that was not signed verifies, and all that
/// verifies parses or fails in an orderly way.
#[test]
fn no_random_request_panics_or_verifies() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test may be told by its environment to run for longer"
    )]
    let requests =
        std::env::var("FANVUE_WEBHOOK_FUZZ").map_or(FUZZ_REQUESTS, |count| count.parse().unwrap());
    let verifier = verifier().accept_replayable_sha256();
    let signer = Signer::new(&secret()).unwrap();
    let event = include_bytes!("../event/fixtures/creator.message.received.json");
    let mut random = Random(7);
    for _ in 0..requests {
        let body = match random.below(3) {
            0 => random.bytes(200),
            _ => random.mangle(event),
        };
        let header = match random.below(4) {
            0 => random.bytes(100),
            1 => random.mangle(format!("t=1790000000,v0={MAC}").as_bytes()),
            2 => random.mangle(signer.header(NOW, event).as_bytes()),
            _ => signer.header(NOW, event).into_bytes(),
        };
        if body != event {
            assert!(verifier.verify(&header, &body, NOW).is_err());
        }
        let claim = claimed_account(&body);
        let header = signer.header(NOW, &body);
        let verified = verifier.verify(header.as_bytes(), &body, NOW).unwrap();
        let topic = ["message.received", "tip.new", "creator.logout", ""][random.below(4)];
        if let Ok(event) = verified.parse(&Hints::default().topic(Some(topic))) {
            assert_eq!(claim, Some(event.account));
            assert!(EventKey::as_str(&event.key).len() <= 200);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_in_any_header_never_verify(
        header in prop::collection::vec(any::<u8>(), 0..200),
        body in prop::collection::vec(any::<u8>(), 0..200),
        seconds in any::<i64>(),
    ) {
        let now = Timestamp::from_micros(seconds);
        let lax = verifier().accept_replayable_sha256();
        prop_assert!(lax.verify(&header, &body, now).is_err());
        prop_assert!(lax.verify(&header, BODY, NOW).is_err());
    }

    #[test]
    fn what_is_signed_verifies(
        secret in prop::collection::vec(any::<u8>(), 1..100),
        body in prop::collection::vec(any::<u8>(), 0..300),
        seconds in 0_i64..4_000_000_000,
    ) {
        let secret = Secret::new(secret);
        let at = Timestamp::from_seconds(seconds);
        let header = Signer::new(&secret).unwrap().header(at, &body);
        let verifier = Verifier::new(&secret).unwrap();
        let verified = verifier.verify(header.as_bytes(), &body, at).unwrap();
        prop_assert_eq!(verified.bytes(), body.as_slice());
    }
}
