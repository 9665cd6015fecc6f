//! Texts with a meaning of their own: what the newtypes around them share.

/// A newtype around a text, made by `new` and read by `as_str`:
///
/// - `Box<str>, cut at N`: owned, of at most `N` bytes, since it is stored in a column or a log line;
/// - `Arc<str>`: shared, since it is cloned with every claim or lease.
///
/// `: Display` shows the text.
macro_rules! text_newtype {
    (
        $(#[$docs:meta])*
        pub struct $name:ident($inner:ident<str> $(, cut at $most:literal)?) $(: $display:ident)?;

        $(#[$new:meta])*
        new;

        $(#[$as_str:meta])*
        as_str;
    ) => {
        $(#[$docs])*
        pub struct $name($inner<str>);

        impl $name {
            $crate::text::text_newtype!(@new [$(#[$new])*] $inner $($most)?);

            $(#[$as_str])*
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        $(
            impl std::fmt::$display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(&self.0)
                }
            }
        )?
    };
    (@new [$($docs:tt)*] Box $most:literal) => {
        $($docs)*
        #[must_use]
        pub fn new(text: impl Into<String>) -> Self {
            let mut text = text.into();
            text.truncate(text.floor_char_boundary($most));
            Self(text.into_boxed_str())
        }
    };
    (@new [$($docs:tt)*] Arc) => {
        $($docs)*
        #[must_use]
        pub fn new(text: impl Into<Arc<str>>) -> Self {
            Self(text.into())
        }
    };
}
pub(crate) use text_newtype;

#[cfg(test)]
mod tests {
    use crate::queue::{FailureNote, IdempotencyKey};
    use crate::store::LeaseName;

    #[test]
    fn a_text_is_cut_between_characters() {
        let long = format!("x{}", "é".repeat(400));
        assert_eq!(IdempotencyKey::new(&*long).as_str().len(), 199);
        assert_eq!(LeaseName::new(&*long).as_str().len(), 199);
        assert_eq!(FailureNote::new(&*long).as_str().len(), 499);
        let fits = "x".repeat(200);
        assert_eq!(IdempotencyKey::new(&*fits).as_str(), fits);
        assert_eq!(IdempotencyKey::new("").to_string(), "");
    }
}
