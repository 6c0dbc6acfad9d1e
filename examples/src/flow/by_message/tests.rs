//! The flow by message, run by run: what has been stored is given to it, and nothing waits.
