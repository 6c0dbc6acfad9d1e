//! **How do I keep what nobody may read in the database?**
//!
//! A codec of our own encrypts all data on its way to the store: each value with a nonce of its own, and bound to its
//! place, so that a value that was moved to another row is refused there. The name of the codec is the name of its key.
//! For a new key there are two of them for a while: one that writes, and the old one that only reads.
//!
//! ```console
//! $ cargo run --bin encryption
//! ann: treated a broken leg
//! stored: resilient:key-2026-10:…
//! without a key: the stored result cannot be read: …
//! ann, with the new key: treated a broken leg
//! bob: treated a cold
//! stored: resilient:key-2026-11:…
//! ```

use std::error::Error as _;

use chacha20poly1305::aead::{Aead, Generate, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use resilient::codec::{Codec, CodecError, Place};
use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_sqlx::SqliteStore;

/// How many bytes a nonce has: so many that random ones never meet.
const NONCE: usize = 24;

/// Encrypts with one key.
#[derive(Clone)]
struct Encryption {
    key_name: &'static str,
    cipher: XChaCha20Poly1305,
}

impl Encryption {
    /// With a new key; a real one comes from where the service keeps its secrets.
    fn generate(key_name: &'static str) -> Self {
        Self { key_name, cipher: XChaCha20Poly1305::new(&Key::generate()) }
    }
}

impl Codec for Encryption {
    fn name(&self) -> &str {
        self.key_name
    }

    fn encode(&self, json: &str, place: &Place<'_>) -> Result<Vec<u8>, CodecError> {
        let nonce = XNonce::generate();
        let payload = Payload { msg: json.as_bytes(), aad: &place.associated_data() };
        let encrypted = self.cipher.encrypt(&nonce, payload);
        let encrypted = encrypted.map_err(|_| CodecError::new("it is too long to be encrypted"))?;
        Ok([nonce.as_slice(), &encrypted].concat())
    }

    fn decode(&self, stored: &[u8], place: &Place<'_>) -> Result<String, CodecError> {
        let wrong = || CodecError::new("it was not encrypted with this key, or for another place");
        let (nonce, encrypted) = stored.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
        let payload = Payload { msg: encrypted, aad: &place.associated_data() };
        let decrypted = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| wrong())?;
        String::from_utf8(decrypted).map_err(|_| wrong())
    }
}

#[resilient_fn(type_id = "Treatment")]
async fn treat(diagnosis: String) -> String {
    format!("treated {diagnosis}")
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Stage::new()?;
    let store = SqliteStore::open(&stage.database()).await?;
    let (old, new) = (Encryption::generate("key-2026-10"), Encryption::generate("key-2026-11"));

    let runtime = Runtime::builder(store.clone()).codec(old.clone()).discover().start().await?;
    println!("ann: {}", treat::invoke(&runtime, "ann", "a broken leg".to_owned()).await?);
    runtime.shutdown().await?;

    // What somebody sees who has the database and no key.
    let onlooker = Runtime::builder(store.clone()).take_no_work().start().await?;
    println!("stored: {}…", start_of_param(&onlooker, "ann").await?);
    if let Err(error) = treat::completion(&onlooker, "ann").await {
        let why = error.source().map(ToString::to_string);
        println!("without a key: {error}: {}", why.unwrap_or_default());
    }

    // A new key; every replica has had it as a reader before the first one writes with it.
    let runtime = Runtime::builder(store).codec(new).reads_codec(old).discover().start().await?;
    println!("ann, with the new key: {}", treat::completion(&runtime, "ann").await?);
    println!("bob: {}", treat::invoke(&runtime, "bob", "a cold".to_owned()).await?);
    println!("stored: {}…", start_of_param(&onlooker, "bob").await?);

    onlooker.shutdown().await?;
    runtime.shutdown().await?;
    Ok(())
}

/// The name of the codec, as the database has it, before what it has made.
async fn start_of_param(runtime: &Runtime, id: &str) -> resilient::Result<String> {
    let panel = runtime.raw_control_panel("Treatment", id).await?;
    assert!(!panel.param().body.contains("leg"), "nothing readable is stored");
    Ok(panel.param().body.chars().take("resilient:key-2026-10:".len()).collect())
}
