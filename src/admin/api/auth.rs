//! `/auth`: signing in and out.

use actix_web::{HttpRequest, HttpResponse, get, post};

use crate::{
    admin::{
        dto::{Login, LoginAnswer, Me, PasswordChange},
        extract::SignedIn,
        login::{self as signing, Origin},
        token,
    },
    base::{
        error::{Problem, Result},
        input::{Json, client_address, request_id},
        state::State,
    },
};

/// Sign in.
///
/// Answers a token for `Authorization: Bearer`. Five wrong passwords in 15 minutes lock the name for the address they
/// came from, for 15 minutes; a name takes 60 wrong ones an hour from everywhere, then only addresses that signed in
/// before may try it.
#[utoipa::path(
    operation_id = "login",
    tag = "auth",
    request_body = Login,
    responses(
        (status = 200, description = "Signed in.", body = LoginAnswer),
        (status = 401, description = "Name or password is wrong (`LOGIN_FAILED`).", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong passwords (`LOGIN_LOCKED`), or too many being checked at the moment.", body = Problem, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "Seconds to wait."))),
    ),
)]
#[post("/auth/login")]
pub async fn login(req: HttpRequest, state: State, body: Json<Login>) -> Result<HttpResponse> {
    let Json(Login { username, password }) = body;
    let origin = Origin { address: client_address(&req), request_id: request_id(&req) };
    let session = signing::sign_in(&state, &username, &password, origin).await?;
    let (key, name) = (&state.config.auth.jwt_secret, session.user.username);
    let token = token::sign(key, &session.id, &name, state.clock.now(), session.expires_at)?;
    let answer = LoginAnswer { token, token_type: "Bearer", expires_at: session.expires_at, username: name };
    Ok(HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(answer))
}

/// Sign out.
///
/// The token is worth nothing from here on.
#[utoipa::path(
    operation_id = "logout",
    tag = "auth",
    responses((status = 204, description = "Signed out.")),
    security(("AdminJwt" = [])),
)]
#[post("/auth/logout")]
pub async fn logout(signed_in: SignedIn, state: State) -> Result<HttpResponse> {
    let (SignedIn { session, actor }, now) = (signed_in, state.clock.now());
    state.writer.write(async move |tx| signing::sign_out(tx, &session, &actor, now).await).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who is signed in.
///
/// Tells whether a token is still good, and whose it is.
#[utoipa::path(
    operation_id = "getMe",
    tag = "auth",
    responses((status = 200, description = "The token is good.", body = Me)),
    security(("AdminJwt" = [])),
)]
#[get("/auth/me")]
pub async fn me(signed_in: SignedIn) -> Result<HttpResponse> {
    let session = signed_in.session;
    Ok(HttpResponse::Ok().json(Me { username: session.user.username, expires_at: session.expires_at }))
}

/// Change one's password.
///
/// Ends every session of this admin, this one too: sign in again with the new password. Wrong current passwords count
/// as wrong sign-ins.
#[utoipa::path(
    operation_id = "changePassword",
    tag = "auth",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "Changed; every session of this admin has ended."),
        (status = 403, description = "The current password is wrong (`CURRENT_PASSWORD_WRONG`).", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The password was changed by somebody else at the same time.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong passwords (`LOGIN_LOCKED`), or too many being checked at the moment.", body = Problem, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "Seconds to wait."))),
    ),
    security(("AdminJwt" = [])),
)]
#[post("/auth/password")]
pub async fn change_password(
    signed_in: SignedIn,
    req: HttpRequest,
    state: State,
    body: Json<PasswordChange>,
) -> Result<HttpResponse> {
    let SignedIn { session, actor } = signed_in;
    let Json(PasswordChange { current_password, new_password }) = body;
    let address = client_address(&req);
    signing::change_password(&state, &session, actor, address, &current_password, &new_password).await?;
    Ok(HttpResponse::NoContent().finish())
}
