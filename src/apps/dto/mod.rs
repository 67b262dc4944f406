//! Apps and installs as they cross the wire.

mod app;
mod install;

pub use app::{AdminApp, App, AppList, AppPatch, AppQuery, NewApp, Window, clean};
pub use install::{
    Authorize, Authorized, DeviceName, Installation, InstallationList, Note, OwnDevice, OwnToken, TokenList, TokenView,
};
