//! What the options of all database servers have in common.

/// Makes the options of a server.
macro_rules! server_options {
    ($(#[$attribute:meta])* $options:ident) => {
        $(#[$attribute])*
        #[derive(Clone)]
        #[must_use = "nothing is connected before `connect` is called"]
        pub struct $options {
            url: String,
            prefix: String,
            max_connections: u32,
        }

        impl $options {
            /// A database: `scheme://user:password@host:port/database`.
            pub fn new(url: impl Into<String>) -> Self {
                let prefix = crate::schema::Prefix::DEFAULT.to_owned();
                Self { url: url.into(), prefix, max_connections: 8 }
            }

            /// What the names of all tables begin with, instead of `resilient`: a lower-case letter, then at most 30
            /// of `a-z`, `0-9` and `_`.
            pub fn table_prefix(mut self, prefix: impl Into<String>) -> Self {
                self.prefix = prefix.into();
                self
            }

            /// How many connections are opened at most, beside the one for signs of life; 8 unless something else is
            /// said.
            pub fn max_connections(mut self, connections: u32) -> Self {
                self.max_connections = connections;
                self
            }
        }

        // The URL may hold a password.
        impl std::fmt::Debug for $options {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($options))
                    .field("prefix", &self.prefix)
                    .field("max_connections", &self.max_connections)
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use server_options;
