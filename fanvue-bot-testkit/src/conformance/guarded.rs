//! An adapter and what must live as long as it.

use std::any::Any;
use std::fmt;
use std::future::Future;

use crate::decorator::{Effect, decorate_ports};

/// An adapter and what must live as long as it, such as the directory of its database. It implements
/// every port that `T` does.
pub struct Guarded<T> {
    inner: T,
    _guard: Box<dyn Any + Send + Sync>,
}

impl<T> Guarded<T> {
    /// `inner`; `guard` is dropped after it.
    #[must_use]
    pub fn new(inner: T, guard: impl Any + Send + Sync) -> Self {
        Self {
            inner,
            _guard: Box::new(guard),
        }
    }

    async fn around<R, E>(
        &self,
        _operation: &'static str,
        _effect: Effect,
        call: impl Future<Output = Result<R, E>>,
    ) -> Result<R, E> {
        call.await
    }
}

impl<T: fmt::Debug> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

decorate_ports!(Guarded);
