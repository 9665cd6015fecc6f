//! The side of an entity that writes, which ours do not have.

use std::fmt;
use std::marker::PhantomData;

use async_trait::async_trait;
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ActiveValue, ConnectionTrait, DbErr, EntityTrait, Value,
};

/// Stands where SeaORM wants an active model: it holds nothing, no model becomes one, so that none can be saved, and
/// deleting it is an error.
pub struct ReadOnly<E>(PhantomData<E>);

fn refusal() -> DbErr {
    DbErr::Custom(
        "the tables of fanvue-bot are read through SeaORM and written through its ports".to_owned(),
    )
}

impl<E> Clone for ReadOnly<E> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<E> fmt::Debug for ReadOnly<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadOnly")
    }
}

impl<E: EntityTrait> ActiveModelTrait for ReadOnly<E> {
    type Entity = E;

    fn take(&mut self, _: E::Column) -> ActiveValue<Value> {
        ActiveValue::NotSet
    }

    fn get(&self, _: E::Column) -> ActiveValue<Value> {
        ActiveValue::NotSet
    }

    /// Does nothing: SeaORM's own would panic.
    fn set(&mut self, _: E::Column, _: Value) {}

    fn set_if_not_equals(&mut self, _: E::Column, _: Value) {}

    fn try_set(&mut self, _: E::Column, _: Value) -> Result<(), DbErr> {
        Err(refusal())
    }

    fn not_set(&mut self, _: E::Column) {}

    fn is_not_set(&self, _: E::Column) -> bool {
        true
    }

    fn default() -> Self {
        Self(PhantomData)
    }

    fn default_values() -> Self {
        Self(PhantomData)
    }

    fn reset(&mut self, _: E::Column) {}
}

#[async_trait]
impl<E: EntityTrait<ActiveModel = Self>> ActiveModelBehavior for ReadOnly<E> {
    async fn before_delete<C: ConnectionTrait>(self, _: &C) -> Result<Self, DbErr> {
        Err(refusal())
    }
}
