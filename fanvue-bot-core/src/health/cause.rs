//! What can be wrong, what that means, and what to do about it.

use std::fmt;

use super::Verdict;

macro_rules! causes {
    ($($(#[$docs:meta])* $case:ident = $word:literal, $verdict:ident, $meaning:literal, $action:literal;)+) => {
        /// What is wrong. Each calls for another action.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Cause {
            $(#[doc = $meaning] $case,)+
        }

        impl Cause {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$case,)+];

            /// Its name for machines; never changes.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$case => $word,)+
                }
            }

            /// How bad it is.
            #[must_use]
            pub const fn verdict(self) -> Verdict {
                match self {
                    $(Self::$case => Verdict::$verdict,)+
                }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$case => $meaning,)+
                }
            }

            /// What to do about it, in words for an operator.
            #[must_use]
            pub const fn action(self) -> &'static str {
                match self {
                    $(Self::$case => $action,)+
                }
            }
        }
    };
}

causes! {
    NotConnected = "not_connected", Broken,
        "No Fanvue account is connected.",
        "Connect the account. What fans write meanwhile waits and is answered then.";
    NeedsReconnect = "needs_reconnect", Broken,
        "Fanvue has ended the connection: it was revoked, or its refresh token was refused.",
        "Connect the account again. What fans write meanwhile waits and is answered then.";
    NoRefreshToken = "no_refresh_token", Broken,
        "The connection cannot be renewed: offline access was not granted.",
        "Tick the scope offline_access for the app at Fanvue, and connect the account again.";
    TokenUnreadable = "token_unreadable", Broken,
        "The stored tokens do not open or do not read back.",
        "Check that the master key that sealed them is configured. If it is lost, connect the account again.";
    VaultDown = "vault_down", Broken,
        "The vault that holds the tokens does not answer.",
        "Check the database that holds the secrets, and its address.";
    AccessExpired = "access_expired", Broken,
        "The access token has expired and could not be replaced.",
        "See the line about the refresh for why. Everything waits and goes on by itself once it succeeds.";
    WrongAppSecret = "wrong_app_secret", Broken,
        "Fanvue does not accept the app's client id and secret.",
        "Compare both with the app's page at Fanvue, and correct the configuration.";
    RefreshFailing = "refresh_failing", Warning,
        "The last try to refresh the access token failed.",
        "Nothing at once: it is tried again. If it lasts, see whether Fanvue answers from this network.";
    MissingScope = "missing_scope", Broken,
        "Fanvue forbids a call that the bot needs.",
        "Tick all scopes that the app needs at Fanvue, and connect the account again.";
    TokenRejected = "token_rejected", Broken,
        "Fanvue does not accept access tokens that it has just issued.",
        "Check that the API's address and the app belong together. If it lasts, connect the account again.";
    ApiRetired = "api_retired", Broken,
        "Fanvue has retired the version of its API that this library speaks.",
        "Update the library.";
    FanvueRateLimited = "fanvue_rate_limited", Warning,
        "Fanvue's limit on requests is used up.",
        "Nothing at once: replies wait until it allows more. If it lasts, see what else uses this account.";
    FanvueDown = "fanvue_down", Broken,
        "Fanvue does not answer, or gives no definite answer.",
        "See whether Fanvue is up and reachable from this network. Replies go out by themselves once it answers.";
    FanvueRejects = "fanvue_rejects", Warning,
        "Fanvue rejects a request, or answers what cannot be read.",
        "See the log for what it says. If it lasts, Fanvue may have changed its API: update the library.";
    ModelMisconfigured = "model_misconfigured", Broken,
        "The model's server refuses the request as it is configured.",
        "Correct the model's address, key or name. What waits goes on by itself within a quarter of an hour.";
    ModelOutOfMoney = "model_out_of_money", Broken,
        "The account at the model's provider has no money or quota left.",
        "Pay in there. What waits goes on by itself within a quarter of an hour.";
    ModelDown = "model_down", Broken,
        "The model's server is overloaded or does not answer.",
        "See whether it is up. Replies are tried again by themselves.";
    ModelRateLimited = "model_rate_limited", Warning,
        "The model's provider limits the rate of requests.",
        "Nothing at once: replies wait. If it lasts, ask the provider for a higher limit.";
    ModelUnusable = "model_unusable", Warning,
        "The model answers with what cannot be used: empty, cut off or unreadable.",
        "Give it more tokens for the answer, or choose another model.";
    CreatorInactive = "creator_inactive", Warning,
        "The creator is inactive: messages are stored and not answered.",
        "Set the creator active if fans should be answered.";
    ModeOff = "mode_off", Warning,
        "The bot is off for this creator: messages are stored and nothing is written.",
        "Set the mode to draft or auto if fans should be answered.";
    WebhooksNeverCame = "webhooks_never_came", Warning,
        "No webhook has come for this creator yet.",
        "Check at Fanvue that the webhook's address is this deployment's and that message events are ticked.";
    WebhooksStopped = "webhooks_stopped", Broken,
        "Messages are found by reading the chats that no webhook brought.",
        "Check the webhook's address and its recent deliveries at Fanvue. Fans are answered later meanwhile.";
    PollFailing = "poll_failing", Warning,
        "The chats could not be read for what webhooks missed.",
        "See the other lines for why. Webhooks are not concerned.";
    PollStopped = "poll_stopped", Warning,
        "The chats have not been read for ten minutes for what webhooks missed.",
        "Check that a worker runs, or that something calls POST /internal/cron/tick every minute.";
    FansWaiting = "fans_waiting", Warning,
        "A fan has been waiting for an answer for longer than they should.",
        "See the other lines for why. With all of them well, the fan's conversation says what it waits for.";
    TurnsGivenUp = "turns_given_up", Warning,
        "An answer was given up for good within the last day.",
        "Look at the messages that are decided as failed: each says why.";
    WorkerGone = "worker_gone", Warning,
        "No worker has been seen for ten minutes, or ever; nothing is due yet.",
        "Start a worker, or let something call POST /internal/jobs/run every minute. Who writes next waits until then.";
    WorkNotTaken = "work_not_taken", Broken,
        "Replies are due and no worker is at it.",
        "Start a worker, or let something call POST /internal/jobs/run every minute.";
    WorkBehind = "work_behind", Warning,
        "Workers run, and replies that are due wait for more than a minute.",
        "Raise the workers' concurrency or start more of them, and see whether the model is slow.";
    StoreDown = "store_down", Broken,
        "The store does not answer.",
        "Check the database and its address. Fanvue delivers webhooks again once it answers.";
    StoreSlow = "store_slow", Warning,
        "The store takes longer than a second for a small read.",
        "Look at the database's load, at long transactions, and at the way to it.";
    SignaturesFailing = "signatures_failing", Warning,
        "The last webhooks were signed with a secret that is not configured.",
        "If no webhooks come in, compare the signing secret with the one at Fanvue. If some do, somebody else tries the door.";
    ClockWrong = "clock_wrong", Warning,
        "The last webhooks were signed at a time too far from this machine's.",
        "Set this machine's clock by NTP.";
    WebhookAddressWrong = "webhook_address_wrong", Warning,
        "A webhook names another creator in its address than in its body.",
        "Correct the address at Fanvue: it must name the creator whose account it is, or none.";
    WebhookUnreadable = "webhook_unreadable", Warning,
        "A proved webhook could not be read.",
        "Fanvue may have changed its format: update the library. Reading the chats finds the messages meanwhile.";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
