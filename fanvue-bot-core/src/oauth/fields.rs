//! The form in which small records lie in the vault.
//!
//! Fields one after another, each a tag byte, a length of four bytes, little endian, and so many bytes. A
//! reader passes over tags that it does not know, so that an older version reads what a newer one wrote.
//! Written by hand, and not as JSON, because the buffer is made once at its full size: one that grows would
//! leave copies of the secrets behind.

use zeroize::Zeroizing;

/// The tag and the length.
pub(super) const HEADER: usize = 5;

/// `None` if a value is 4 GiB long.
pub(super) fn write(fields: &[(u8, &[u8])]) -> Option<Zeroizing<Vec<u8>>> {
    let size = fields.iter().map(|(_, value)| HEADER + value.len()).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    for (tag, value) in fields {
        bytes.push(*tag);
        bytes.extend_from_slice(&u32::try_from(value.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(value);
    }
    Some(bytes)
}

/// Takes the first field off `bytes`: `Ok(None)` at their end, `Err` if it is cut off.
pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> Result<Option<(u8, &'a [u8])>, CutOff> {
    let Some((tag, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(CutOff)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| CutOff)?;
    let (value, rest) = rest.split_at_checked(length).ok_or(CutOff)?;
    *bytes = rest;
    Ok(Some((*tag, value)))
}

/// A record ends in the middle of a field.
#[derive(Debug, PartialEq)]
pub(super) struct CutOff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_read_back_and_a_cut_one_is_told_from_the_end() {
        let fields: [(u8, &[u8]); 3] = [(1, b"one"), (7, b""), (1, b"two")];
        let written = write(&fields).unwrap();
        let mut bytes = written.as_slice();
        for field in fields {
            assert_eq!(take(&mut bytes), Ok(Some(field)));
        }
        assert_eq!(take(&mut bytes), Ok(None));
        for end in 1..HEADER + 3 {
            assert_eq!(take(&mut &written[..end]), Err(CutOff), "{end}");
        }
    }
}
