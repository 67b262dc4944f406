//! Providers as they cross the wire.

mod change;
mod view;

pub(super) use self::{
    change::{AuthMethod, BodyFormat, NewProvider, ProviderPatch},
    view::{ProviderView, changes},
};
