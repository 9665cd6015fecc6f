//! Our tables as SeaORM's entities, for each back end as its migrations make them.
//!
//! Ids are [`Uuid`](sea_orm::prelude::Uuid)s. Times are microseconds since 1970 and UTC, which
//! [`Timestamp::from_micros`](fanvue_bot_core::time::Timestamp::from_micros) reads. States, profiles and kinds are
//! JSON in the form of the domain type that each column names; fields may be added in any version. `Debug` shows ids
//! and no words.
//!
//! In text on Postgres the character U+0000, which it does not store, is written as U+10FFFF and `0`, and U+10FFFF as
//! U+10FFFF and `1`.
//!
//! Not here: sealed secrets, which only a vault reads; events that wait to be taken in; and what the migrations and the queue keep for themselves.

use sea_orm::sea_query::ValueType;
use sea_orm::{ColumnDef, ColumnTypeTrait as _};

/// How a column of the type of a field is defined.
trait Stored: ValueType {
    fn definition() -> ColumnDef {
        Self::column_type().def()
    }
}

impl Stored for sea_orm::prelude::Uuid {}
impl Stored for String {}
impl Stored for bool {}
impl Stored for i16 {}
impl Stored for i32 {}
impl Stored for i64 {}

impl<T: Stored> Stored for Option<T>
where
    Self: ValueType,
{
    fn definition() -> ColumnDef {
        T::definition().nullable()
    }
}

/// One table: its schema and name, the type of its primary key, and its columns. Those after `hidden` hold a person's
/// words or data, which `Debug` leaves out.
macro_rules! table {
    (
        $(#[$about:meta])*
        $module:ident = $schema:literal . $table:literal
        key ($($key:ident),+): $key_type:ty;
        shown { $($(#[$shown_about:meta])* $shown:ident $shown_column:ident: $shown_type:ident $(<$shown_of:ident>)?,)+ }
        hidden { $($(#[$hidden_about:meta])* $hidden:ident $hidden_column:ident: $hidden_type:ident $(<$hidden_of:ident>)?,)* }
    ) => {
        $(#[$about])*
        pub mod $module {
            use std::fmt;

            use sea_orm::entity::prelude::*;

            use crate::sea_orm::entity::Stored;

            /// The table.
            #[derive(Debug, Clone, Copy, Default, DeriveEntity)]
            #[non_exhaustive]
            pub struct Entity;

            impl EntityName for Entity {
                fn schema_name(&self) -> Option<&str> {
                    Some($schema)
                }

                fn table_name(&self) -> &'static str {
                    $table
                }
            }

            /// A row.
            #[derive(Clone, PartialEq, Eq, DeriveModel)]
            #[non_exhaustive]
            pub struct Model {
                $($(#[$shown_about])* pub $shown: $shown_type $(<$shown_of>)?,)+
                $($(#[$hidden_about])* pub $hidden: $hidden_type $(<$hidden_of>)?,)*
            }

            impl fmt::Debug for Model {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct(stringify!($module))
                        $(.field(stringify!($shown), &self.$shown))+
                        .finish_non_exhaustive()
                }
            }

            /// Nothing can be set: see [`ReadOnly`](crate::sea_orm::ReadOnly).
            pub type ActiveModel = crate::sea_orm::ReadOnly<Entity>;

            /// A column.
            #[derive(Debug, Clone, Copy, EnumIter, DeriveColumn)]
            #[non_exhaustive]
            pub enum Column {
                $($(#[$shown_about])* $shown_column,)+
                $($(#[$hidden_about])* $hidden_column,)*
            }

            impl ColumnTrait for Column {
                type EntityName = Entity;

                fn def(&self) -> ColumnDef {
                    match self {
                        $(Self::$shown_column => <$shown_type $(<$shown_of>)? as Stored>::definition(),)+
                        $(Self::$hidden_column => <$hidden_type $(<$hidden_of>)? as Stored>::definition(),)*
                    }
                }
            }

            /// The columns of the primary key.
            #[derive(Debug, Clone, Copy, EnumIter, DerivePrimaryKey)]
            #[non_exhaustive]
            pub enum PrimaryKey {
                $(
                    /// A column of the key.
                    $key,
                )+
            }

            impl PrimaryKeyTrait for PrimaryKey {
                type ValueType = $key_type;

                fn auto_increment() -> bool {
                    false
                }
            }

            /// None are given: an application defines those that it needs.
            #[derive(Debug, Clone, Copy, EnumIter)]
            #[non_exhaustive]
            pub enum Relation {}

            impl RelationTrait for Relation {
                fn def(&self) -> RelationDef {
                    match *self {}
                }
            }
        }
    };
}

/// The tables that are the same on both back ends.
macro_rules! common_tables {
    ($schema:literal) => {
        table! {
            /// Creators: the tenants.
            creator = $schema."creators"
            key (CreatorId): Uuid;
            shown {
                /// The tenant.
                creator_id CreatorId: Uuid,
                /// The account on Fanvue, once one is connected.
                account_id AccountId: Option<Uuid>,
                /// Grows with each change.
                revision Revision: i64,
            }
            hidden {
                /// A [`Creator`](fanvue_bot_core::creator::Creator)'s persona and settings, as JSON.
                profile Profile: String,
            }
        }

        table! {
            /// Conversations, one for each creator and fan.
            conversation = $schema."conversations"
            key (CreatorId, FanId): (Uuid, Uuid);
            shown {
                /// The tenant.
                creator_id CreatorId: Uuid,
                /// The fan.
                fan_id FanId: Uuid,
                /// Grows with each change.
                revision Revision: i64,
                /// When something is to be done next.
                wake_at WakeAt: Option<i64>,
            }
            hidden {
                /// A [`Conversation`](fanvue_bot_core::conversation::Conversation), drafts among it, as JSON.
                state State: String,
            }
        }

        table! {
            /// What is known of each conversation's fan.
            fan = $schema."fans"
            key (CreatorId, FanId): (Uuid, Uuid);
            shown {
                /// The tenant.
                creator_id CreatorId: Uuid,
                /// The fan.
                fan_id FanId: Uuid,
            }
            hidden {
                /// Their handle on Fanvue.
                handle Handle: Option<String>,
                /// The name that they show.
                display_name DisplayName: Option<String>,
                /// What the creator calls them.
                nickname Nickname: Option<String>,
            }
        }

        table! {
            /// Messages, each with the decision about it.
            message = $schema."messages"
            key (CreatorId, FanId, Id): (Uuid, Uuid, Uuid);
            shown {
                /// The tenant.
                creator_id CreatorId: Uuid,
                /// The fan.
                fan_id FanId: Uuid,
                /// The message on Fanvue.
                id Id: Uuid,
                /// When it was sent, by Fanvue's clock.
                sent_at SentAt: i64,
                /// When it was stored, by ours.
                stored_at StoredAt: i64,
                /// Who wrote it: an [`Author`](fanvue_bot_core::message::Author)'s name.
                author Author: String,
                /// Its [`MessageType`](fanvue_bot_core::message::MessageType), as Fanvue writes it.
                kind Kind: String,
                /// Whether it has media.
                has_media HasMedia: bool,
                /// What it costs to open.
                price_cents PriceCents: Option<i64>,
                /// Whether all of it is known; webhooks leave some out.
                fetched Fetched: bool,
                /// By which tokenizer it was counted.
                tokenizer Tokenizer: Option<i64>,
                /// Its length in tokens.
                tokens Tokens: Option<i64>,
                /// The number of the turn that it belongs to.
                turn Turn: Option<i64>,
                /// The name of what became of it, an [`Outcome`](fanvue_bot_core::decision::Outcome).
                outcome Outcome: Option<String>,
                /// When that was decided.
                decided_at DecidedAt: Option<i64>,
                /// When it was deleted on Fanvue; what it said is erased then.
                deleted_at DeletedAt: Option<i64>,
                /// The name of its decision's [`Reason`](fanvue_bot_core::decision::Reason).
                reason Reason: Option<String>,
            }
            hidden {
                /// What it says.
                text Text: Option<String>,
                /// The ids of its media, as a JSON list.
                media Media: Option<String>,
                /// The outcome with its details, as JSON.
                decision Decision: Option<String>,
            }
        }

        table! {
            /// What fans pay: each telling of money once.
            transaction = $schema."transactions"
            key (CreatorId, FanId, Id): (Uuid, Uuid, Uuid);
            shown {
                /// The tenant.
                creator_id CreatorId: Uuid,
                /// The fan.
                fan_id FanId: Uuid,
                /// The transaction.
                id Id: Uuid,
                /// The name of its [`TransactionKind`](fanvue_bot_core::ledger::TransactionKind).
                kind Kind: String,
                /// The name of its [`Telling`](fanvue_bot_core::ledger::Telling).
                telling Telling: String,
                /// When it happened, by Fanvue's clock.
                at At: i64,
                /// When it was stored, by ours.
                stored_at StoredAt: i64,
                /// The first record of the same payment, if this is not it.
                same_as SameAs: Option<Uuid>,
            }
            hidden {
                /// What the fan paid or got back.
                amount_cents AmountCents: Option<i64>,
                /// What the creator gets of it.
                net_cents NetCents: Option<i64>,
                /// The currency's code; US dollars if there is none.
                currency Currency: Option<String>,
                /// The message that was paid for or tipped.
                message_id MessageId: Option<Uuid>,
                /// The post that was paid for or tipped.
                post_id PostId: Option<Uuid>,
                /// What Fanvue calls it.
                reference Reference: Option<String>,
                /// The payment that went back.
                reverses Reverses: Option<Uuid>,
            }
        }

        table! {
            /// Jobs that were given up.
            dead_letter = $schema."dead_letters"
            key (Seq): i64;
            shown {
                /// The order in which jobs were enqueued.
                seq Seq: i64,
                /// The tenant.
                creator_id CreatorId: Uuid,
                /// The conversation's fan.
                lane Lane: Uuid,
                /// The job.
                id Id: Uuid,
                /// When it was due.
                due_at DueAt: i64,
                /// When it was given up.
                failed_at FailedAt: i64,
                /// How often it was tried.
                attempt Attempt: i32,
                /// Its rank; the lowest goes first.
                priority Priority: i16,
                /// What it was known by to whoever enqueued it.
                idempotency_key IdempotencyKey: String,
                /// A [`JobKind`](fanvue_bot_core::queue::JobKind), as JSON.
                kind Kind: String,
                /// Why, in words without anybody's data.
                cause Cause: String,
            }
            hidden {}
        }

        table! {
            /// Messages to many.
            broadcast = $schema."broadcasts"
            key (CreatorId, Id): (Uuid, Uuid);
            shown {
                /// The tenant.
                creator_id CreatorId: Uuid,
                /// The broadcast.
                id Id: Uuid,
                /// Grows with each change.
                revision Revision: i64,
                /// When it was made.
                created_at CreatedAt: i64,
                /// When there is something to do about it next.
                due_at DueAt: Option<i64>,
            }
            hidden {
                /// The whole of it, a [`Broadcast`](fanvue_bot_core::broadcast::Broadcast), as JSON.
                broadcast Broadcast: String,
            }
        }

        table! {
            /// Who gets messages to many.
            recipient = $schema."recipients"
            key (CreatorId, BroadcastId, FanId): (Uuid, Uuid, Uuid);
            shown {
                /// The tenant.
                creator_id CreatorId: Uuid,
                /// The broadcast.
                broadcast_id BroadcastId: Uuid,
                /// The fan.
                fan_id FanId: Uuid,
                /// Where it stands with them, by the name of a
                /// [`Standing`](fanvue_bot_core::broadcast::Standing).
                standing Standing: String,
                /// What they go by in the list that they are from.
                name Name: Option<String>,
            }
            hidden {}
        }

        table! {
            /// Leases, by which processes agree who does what.
            lease = $schema."leases"
            key (Name): String;
            shown {
                /// What it is for.
                name Name: String,
                /// Who has it.
                holder Holder: String,
                /// Grows with each holder.
                fence Fence: i64,
                /// When it lapses.
                until Until: i64,
            }
            hidden {}
        }

        table! {
            /// Small values that the processes of a deployment share.
            register = $schema."registers"
            key (Name): String;
            shown {
                /// What it is.
                name Name: String,
                /// Grows with each change.
                revision Revision: i64,
            }
            hidden {
                /// The value.
                value Value: String,
            }
        }
    };
}

/// The tables on Postgres, in the schema `fanvue_bot`.
#[cfg(feature = "postgres")]
pub mod postgres {
    common_tables!("fanvue_bot");

    table! {
        /// Jobs that wait or are being done.
        job = "fanvue_bot"."jobs"
        key (Seq): i64;
        shown {
            /// The order in which they were enqueued.
            seq Seq: i64,
            /// The tenant.
            creator_id CreatorId: Uuid,
            /// The conversation's fan.
            lane Lane: Uuid,
            /// The job.
            id Id: Uuid,
            /// When it is due.
            due_at DueAt: i64,
            /// Until when it keeps its lane waiting after it failed.
            backoff_until BackoffUntil: Option<i64>,
            /// The claim that it is held by; 0 for none.
            token Token: i64,
            /// Until when it is held, by the server's clock.
            leased_until LeasedUntil: i64,
            /// How often it was tried.
            attempt Attempt: i32,
            /// Its rank; the lowest goes first.
            priority Priority: i16,
            /// What it is known by to whoever enqueued it.
            idempotency_key IdempotencyKey: String,
            /// A [`JobKind`](fanvue_bot_core::queue::JobKind), as JSON.
            kind Kind: String,
            /// Who holds it, or held it last.
            worker Worker: Option<String>,
            /// Why it failed last, in words without anybody's data.
            last_error LastError: Option<String>,
        }
        hidden {}
    }

    table! {
        /// Keys of jobs that have ended, taken for a while.
        job_key = "fanvue_bot"."job_keys"
        key (CreatorId, IdempotencyKey): (Uuid, String);
        shown {
            /// The tenant.
            creator_id CreatorId: Uuid,
            /// What the job was known by.
            idempotency_key IdempotencyKey: String,
            /// Until when it is taken.
            expires_at ExpiresAt: i64,
        }
        hidden {}
    }
}

/// The tables on SQLite, beside the application's in the same file.
#[cfg(feature = "sqlite")]
pub mod sqlite {
    common_tables!("main");

    table! {
        /// Jobs that wait or are being done.
        job = "main"."jobs"
        key (Seq): i64;
        shown {
            /// The order in which they were enqueued.
            seq Seq: i64,
            /// The job.
            id Id: Uuid,
            /// The lane's number: see [`lane`](super::lane).
            lane_id LaneId: i64,
            /// The tenant.
            creator_id CreatorId: Uuid,
            /// The conversation's fan.
            lane Lane: Uuid,
            /// What it is known by to whoever enqueued it.
            idempotency_key IdempotencyKey: String,
            /// A [`JobKind`](fanvue_bot_core::queue::JobKind), as JSON.
            kind Kind: String,
            /// Its rank; the lowest goes first.
            priority Priority: i16,
            /// When it is due.
            due_at DueAt: i64,
            /// How often it was tried.
            attempt Attempt: i32,
            /// The claim that it is held by; 0 for none.
            token Token: i64,
            /// Who holds it, or held it last.
            worker Worker: Option<String>,
            /// Until when it keeps its lane from being claimed.
            blocked_until BlockedUntil: Option<i64>,
            /// Why it failed last, in words without anybody's data.
            last_error LastError: Option<String>,
        }
        hidden {}
    }

    table! {
        /// Lanes, the conversations that have jobs.
        lane = "main"."lanes"
        key (LaneId): i64;
        shown {
            /// The lane's number.
            lane_id LaneId: i64,
            /// The tenant.
            creator_id CreatorId: Uuid,
            /// The conversation's fan.
            lane Lane: Uuid,
            /// When the first job is due.
            head_due HeadDue: i64,
            /// The first job's rank.
            head_priority HeadPriority: i16,
            /// Until when a job keeps the lane from being claimed.
            blocked_until BlockedUntil: i64,
            /// When it can be claimed.
            ready_at ReadyAt: i64,
        }
        hidden {}
    }

    table! {
        /// Keys of jobs, those that have ended among them.
        job_key = "main"."job_keys"
        key (Seq): i64;
        shown {
            /// The job's place in the order of all.
            seq Seq: i64,
            /// The tenant.
            creator_id CreatorId: Uuid,
            /// What the job is known by.
            idempotency_key IdempotencyKey: String,
            /// Until when it is taken; nothing while the job lives.
            expires_at ExpiresAt: Option<i64>,
        }
        hidden {}
    }
}
