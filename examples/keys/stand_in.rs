//! A stand-in for a key service, to try things on: **not one to use**. It asks nobody who they are, keeps no log, and
//! its own key lies in a file of the same machine. What it shows is the shape: the key that wraps stays with the
//! service.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanvue_bot::entropy::OsEntropy;
use fanvue_bot::secret::{Keyring, Secret, SecretId, SecretKind};
use std::sync::Arc;
use tokio::net::TcpListener;

use crate::service::Bytes;

/// Whatever is wrapped here is wrapped as this.
const ID: SecretId = SecretId::of_deployment(SecretKind::ClientSecret);

/// Serves `POST /wrap` and `POST /unwrap` until the process ends.
pub(crate) async fn serve(listener: TcpListener, root: Keyring) -> std::io::Result<()> {
    let router = Router::new()
        .route("/wrap", post(wrap))
        .route("/unwrap", post(unwrap))
        .with_state(Arc::new(root));
    axum::serve(listener, router).await
}

async fn wrap(
    State(root): State<Arc<Keyring>>,
    Json(request): Json<Bytes>,
) -> Result<Json<Bytes>, StatusCode> {
    let key = STANDARD.decode(request.bytes).map(Secret::new);
    let key = key.map_err(|_| StatusCode::BAD_REQUEST)?;
    let wrapped = root
        .seal(&ID, &key, &OsEntropy)
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let bytes = STANDARD.encode(wrapped);
    Ok(Json(Bytes { bytes }))
}

async fn unwrap(
    State(root): State<Arc<Keyring>>,
    Json(request): Json<Bytes>,
) -> Result<Json<Bytes>, StatusCode> {
    let wrapped = STANDARD.decode(request.bytes);
    let wrapped = wrapped.map_err(|_| StatusCode::BAD_REQUEST)?;
    let key = root
        .open(&ID, &wrapped)
        .map_err(|_| StatusCode::FORBIDDEN)?;
    let bytes = STANDARD.encode(key.expose());
    Ok(Json(Bytes { bytes }))
}
