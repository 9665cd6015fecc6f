//! Serves a simulated Fanvue, to be used by hand or by another process.
//!
//! ```sh
//! cargo run --example simulator -- --port 4010 --webhook-url http://127.0.0.1:8080/webhooks/fanvue
//! ```
//!
//! It prints what a bot has to be configured with, and what to type to make a fan write.

use std::error::Error;
use std::io::Write as _;

use clap::Parser;
use fanvue_bot_testkit::simulator::world::{App, Fixture, PortalWebhook, WebhookFamily};
use fanvue_bot_testkit::simulator::{API_VERSION, ConsentMode, Simulator};

#[derive(Parser)]
#[command(about = "Serves a simulated Fanvue on 127.0.0.1")]
struct Settings {
    /// Port to listen on; 0 takes any that is free.
    #[arg(long, env = "SIMULATOR_PORT", default_value_t = 4010)]
    port: u16,

    /// Seed of all ids, tokens and chances.
    #[arg(long, env = "SIMULATOR_SEED", default_value_t = 1)]
    seed: u64,

    /// Client id of the registered app.
    #[arg(long, env = "SIMULATOR_CLIENT_ID", default_value = "simulated-app")]
    client_id: String,

    /// Client secret of the app. Not a real one: it opens this simulator and nothing else.
    #[arg(
        long,
        env = "SIMULATOR_CLIENT_SECRET",
        default_value = "simulated-secret"
    )]
    client_secret: String,

    /// Redirect addresses that the app may use; may be given several times. By default those of an integration at
    /// port 8080 and of the demo.
    #[arg(
        long,
        env = "SIMULATOR_REDIRECT_URI",
        value_delimiter = ',',
        default_values = ["http://127.0.0.1:8080/oauth/callback", "http://127.0.0.1:8787/oauth/callback"]
    )]
    redirect_uri: Vec<String>,

    /// Where webhooks are posted to; none are without it.
    #[arg(long, env = "SIMULATOR_WEBHOOK_URL")]
    webhook_url: Option<String>,

    /// Secret that webhooks are signed with.
    #[arg(
        long,
        env = "SIMULATOR_WEBHOOK_SECRET",
        default_value = "whsec_simulated"
    )]
    webhook_secret: String,

    /// Sends webhooks in the legacy family.
    #[arg(long, env = "SIMULATOR_LEGACY_WEBHOOKS")]
    legacy_webhooks: bool,

    /// Shows a page on authorize requests instead of agreeing at once.
    #[arg(long, env = "SIMULATOR_CONSENT_PAGE")]
    consent_page: bool,

    /// Life of access tokens in seconds.
    #[arg(long, env = "SIMULATOR_TOKEN_SECONDS", default_value_t = 3599)]
    token_seconds: u64,

    /// Starts without creators and fans.
    #[arg(long, env = "SIMULATOR_EMPTY")]
    empty: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse();
    let mut app = App::new(&settings.client_id, settings.client_secret.as_str())
        .webhook_secret(settings.webhook_secret.as_str());
    for uri in &settings.redirect_uri {
        app = app.redirect_uri(uri);
    }
    if let Some(url) = &settings.webhook_url {
        let mut webhook = PortalWebhook::new(url);
        if settings.legacy_webhooks {
            webhook = webhook.families([WebhookFamily::Legacy]);
        }
        app = app.webhook(webhook);
    }
    let consent = if settings.consent_page {
        ConsentMode::Page
    } else {
        ConsentMode::Automatic
    };
    let simulator = Simulator::builder()
        .port(settings.port)
        .seed(settings.seed)
        .access_token_seconds(settings.token_seconds)
        .consent(consent)
        .app(app)
        .start()
        .await
        .map_err(|error| {
            format!(
                "port {}: {error}; choose another with --port",
                settings.port
            )
        })?;
    let people = if settings.empty {
        None
    } else {
        Some(simulator.populate()?)
    };
    // A closed pipe is no reason to stop serving.
    let _ = describe(&simulator, &settings, people.as_ref());
    tokio::signal::ctrl_c().await?;
    simulator.stop().await;
    Ok(())
}

fn describe(
    simulator: &Simulator,
    settings: &Settings,
    people: Option<&Fixture>,
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let base = simulator.base_url();
    writeln!(out, "Simulated Fanvue, until Ctrl-C\n")?;
    for (name, value) in [
        ("API base URL", base.to_owned()),
        ("auth base URL", base.to_owned()),
        ("API version", API_VERSION.to_owned()),
        ("client id", settings.client_id.clone()),
        ("client secret", settings.client_secret.clone()),
        ("redirect URIs", settings.redirect_uri.join(" ")),
        (
            "webhook URL",
            settings
                .webhook_url
                .clone()
                .unwrap_or_else(|| "none".to_owned()),
        ),
        ("webhook secret", settings.webhook_secret.clone()),
    ] {
        writeln!(out, "  {name:<16}{value}")?;
    }
    let Some(people) = people else {
        return writeln!(
            out,
            "\nNobody lives here yet: curl -s {base}/_sim lists what to do"
        );
    };
    writeln!(out, "\nCreators")?;
    writeln!(out, "  luna-example    {}", people.luna)?;
    writeln!(out, "  nova-example    {}", people.nova)?;
    writeln!(out, "  agency-example  {} (manages both)", people.agency)?;
    writeln!(out, "\nFans of luna-example")?;
    for (handle, uuid) in ["fan-one", "fan-two"].iter().zip(&people.fans) {
        writeln!(out, "  {handle:<16}{uuid}")?;
    }
    writeln!(
        out,
        "  fan-gone        {} (cannot be contacted)",
        people.unreachable
    )?;
    writeln!(out, "  fan-new         {} (has no chat)", people.stranger)?;
    let client = &settings.client_id;
    writeln!(
        out,
        "\nWebhooks come once a creator has authorized the app: through the bot's own"
    )?;
    writeln!(
        out,
        "OAuth start, where luna-example agrees, or by the third line of these.\n\nTry"
    )?;
    for (about, path, body) in [
        (
            "a fan writes",
            "fan-message",
            r#"{"creator":"luna-example","fan":"fan-one","text":"are you there?"}"#.to_owned(),
        ),
        (
            "the creator answers by hand",
            "human-message",
            r#"{"creator":"luna-example","fan":"fan-one","text":"it is me"}"#.to_owned(),
        ),
        (
            "tokens without a browser",
            "tokens",
            format!(r#"{{"clientId":"{client}","user":"luna-example"}}"#),
        ),
        (
            "webhooks go elsewhere",
            "webhook",
            format!(r#"{{"clientId":"{client}","url":"http://127.0.0.1:8080/webhooks/fanvue"}}"#),
        ),
        (
            "the next send is stored, its answer lost",
            "faults/requests",
            r#"{"fault":"error_after","value":502,"method":"POST","path":"*/message"}"#.to_owned(),
        ),
    ] {
        writeln!(out, "  # {about}\n  curl -s {base}/_sim/{path} -d '{body}'")?;
    }
    writeln!(out, "  # what was said")?;
    writeln!(
        out,
        "  curl -s '{base}/_sim/transcript?creator=luna-example&fan=fan-one'"
    )?;
    writeln!(out, "  # everything else\n  curl -s {base}/_sim")?;
    out.flush()
}
