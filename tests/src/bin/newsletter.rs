//! The first program of the user guide, exactly as it stands there.

include!("../../../resilient/src/guide/getting_started/main.rs");
