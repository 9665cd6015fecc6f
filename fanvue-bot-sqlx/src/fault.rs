//! How the failure of a database reaches the ports: the same way from each back end.

/// Turns a back end's `Fault` into the ports' errors: what does not read back is corrupt, anything else may pass.
macro_rules! into_port_errors {
    ($fault:ident) => {
        impl From<$fault> for fanvue_bot_core::store::StoreError {
            fn from(fault: $fault) -> Self {
                match fault {
                    $fault::Corrupt(field) => field.into(),
                    other => Self::unavailable(other),
                }
            }
        }

        impl From<$fault> for fanvue_bot_core::queue::QueueError {
            fn from(fault: $fault) -> Self {
                match fault {
                    $fault::Corrupt(field) => field.into(),
                    other => Self::unavailable(other),
                }
            }
        }

        impl From<$fault> for fanvue_bot_core::secret::VaultError {
            fn from(fault: $fault) -> Self {
                Self::unavailable(fault)
            }
        }

        impl From<$fault> for fanvue_bot_core::backend::BackendError {
            fn from(fault: $fault) -> Self {
                Self::Store(fault.into())
            }
        }
    };
}

pub(crate) use into_port_errors;
