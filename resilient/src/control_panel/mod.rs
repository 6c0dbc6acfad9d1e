//! Views on one instance for a person or a tool: read, edit, invoke again, postpone, fail, succeed, delete.
//!
//! Each verb is one compare-and-set on the epoch that was read, together with all edits made before it: either all
//! of it happens, or somebody else was faster and nothing does. Edits of messages hold the count of messages against
//! what was read as well; without them a message that comes meanwhile disturbs nobody.

mod messages;
mod raw;
mod resolve;
mod typed;

pub use self::messages::PanelMessage;
pub use self::raw::RawControlPanel;
pub use self::resolve::{UnknownCall, UnknownField};
pub use self::typed::ControlPanel;
