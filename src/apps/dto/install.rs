//! Installs and their tokens.

use entity::UtcMillis;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use crate::{base::secret::Secret, devices::DeviceView};

/// A request for access to a device.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"deviceUuid": "0f8b6c2e-classroom-3", "readOnly": false, "note": "blackboard"}))]
pub struct Authorize {
    /// The device's uuid, 1 to 191 printable characters. An unknown device is made.
    #[schema(min_length = 1, max_length = 191)]
    pub device_uuid: String,
    /// The device's password, if it has one.
    #[schema(value_type = Option<String>)]
    pub password: Option<Secret>,
    /// Whether the token may only read. Default false.
    #[serde(default)]
    pub read_only: Option<bool>,
    /// What the owner notes, up to 191 characters. Default 授权访问.
    #[schema(max_length = 191)]
    pub note: Option<String>,
}

/// Access, granted. The only answer that shows the token.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"token": "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592", "appId": 1, "appName": "Classworks", "deviceUuid": "0f8b6c2e-classroom-3", "deviceName": null, "readOnly": false, "note": "授权访问", "authorizedAt": "2026-11-21T04:31:00.000Z"}))]
pub struct Authorized {
    /// The app token: 64 hex digits.
    pub token: String,
    /// The app.
    pub app_id: i64,
    /// Its name.
    pub app_name: String,
    /// The device.
    pub device_uuid: String,
    /// Its name.
    pub device_name: Option<String>,
    /// Whether the token may only read.
    pub read_only: bool,
    /// What the owner noted.
    pub note: String,
    /// When access was granted.
    #[schema(value_type = String, format = DateTime)]
    pub authorized_at: UtcMillis,
}

/// A device in a list of installs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceName {
    /// Its uuid.
    pub uuid: String,
    /// Its name.
    pub name: Option<String>,
}

/// An install in an app's list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Installation {
    /// Number of the install.
    pub id: i64,
    /// The token's end only: `…a1b2`.
    pub token: String,
    /// Whether the token may only read.
    pub read_only: bool,
    /// The device.
    pub device: DeviceName,
    /// What the owner noted.
    pub note: String,
    /// When access was granted.
    #[schema(value_type = String, format = DateTime)]
    pub installed_at: UtcMillis,
    /// When the note was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
    /// When the token was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<UtcMillis>,
}

/// A page of an app's installs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"appId": 1, "installations": [{"id": 3, "token": "…a1b2", "readOnly": false, "device": {"uuid": "0f8b6c2e-classroom-3", "name": null}, "note": "授权访问", "installedAt": "2026-11-21T04:31:00.000Z", "updatedAt": "2026-11-21T04:31:00.000Z", "lastUsedAt": null}], "total": 1, "limit": 20, "skip": 0}))]
pub struct InstallationList {
    /// The app.
    pub app_id: i64,
    /// Newest first.
    pub installations: Vec<Installation>,
    /// How many there are.
    pub total: u64,
    /// How many were asked for.
    pub limit: u64,
    /// How many were left out.
    pub skip: u64,
}

/// A token in a device's list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": 3, "token": "…a1b2", "app": {"id": 1, "name": "Classworks", "description": "Homework board", "developerName": "ZeroCat", "developerLink": "https://example.org", "homepageLink": null, "iconHash": null, "repositoryUrl": null, "metadata": null, "createdAt": "2026-11-21T04:31:00.000Z", "updatedAt": "2026-11-21T04:31:00.000Z"}, "readOnly": false, "note": "授权访问", "installedAt": "2026-11-21T04:31:00.000Z", "updatedAt": "2026-11-21T04:31:00.000Z", "lastUsedAt": null}))]
pub struct TokenView {
    /// Number of the install.
    pub id: i64,
    /// The token's end only: `…a1b2`.
    pub token: String,
    /// The app it was given to.
    pub app: App,
    /// Whether the token may only read.
    pub read_only: bool,
    /// What the owner noted.
    pub note: String,
    /// When access was granted.
    #[schema(value_type = String, format = DateTime)]
    pub installed_at: UtcMillis,
    /// When the note was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
    /// When the token was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<UtcMillis>,
}

/// All tokens of a device.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenList {
    /// The device.
    #[schema(example = "0f8b6c2e-classroom-3")]
    pub device_uuid: String,
    /// Its name.
    #[schema(example = "Classroom 3")]
    pub device_name: Option<String>,
    /// Newest first.
    pub tokens: Vec<TokenView>,
    /// How many there are.
    #[schema(example = 1)]
    pub total: u64,
}

/// A new note.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(example = json!({"note": "blackboard"}))]
pub struct Note {
    /// Up to 191 characters.
    #[schema(max_length = 191)]
    pub note: String,
}

/// The token a call presents, and what it belongs to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": 3, "token": "…a1b2", "appId": 1, "readOnly": false, "note": "授权访问", "installedAt": "2026-11-21T04:31:00.000Z", "updatedAt": "2026-11-21T04:31:00.000Z", "lastUsedAt": null, "device": {"uuid": "0f8b6c2e-classroom-3", "name": null}}))]
pub struct OwnToken {
    /// Number of the install.
    pub id: i64,
    /// The token's end only: `…a1b2`.
    pub token: String,
    /// The app it was given to.
    pub app_id: i64,
    /// Whether the token may only read.
    pub read_only: bool,
    /// What the owner noted.
    pub note: String,
    /// When access was granted.
    #[schema(value_type = String, format = DateTime)]
    pub installed_at: UtcMillis,
    /// When the note was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: UtcMillis,
    /// When the token was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<UtcMillis>,
    /// The device.
    pub device: DeviceName,
}

/// The device a call's token opens.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OwnDevice {
    /// The device.
    pub device: DeviceView,
}
