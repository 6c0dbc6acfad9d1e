//! Calls that are guarded by a name, without a field in the scrapbook.

use std::collections::BTreeMap;
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;
use crate::codec::reader_says;
use crate::error::BoxError;
use crate::guard::{AtLeastOnce, AtMostOnce, Guarded};
use crate::id::check_text;
use crate::journal::{Journal, Json};
use crate::scrapbook::{GuardError, SaveError, known};

impl Context {
    /// Makes a call that must not happen twice, and returns its result, in this run and in every later one.
    ///
    /// It is [`Scrapbook::at_most_once`](crate::Scrapbook::at_most_once) without a field: what is known of the call is
    /// noted under its name, which stays the same from run to run and is used once in each. A marker is stored
    /// **before** the call, and its result after it. A run that finds the marker alone cannot know whether the call has
    /// happened, and fails with an [`UnknownOutcome`](crate::UnknownOutcome) that says the name. An `Err` of
    /// the call is a failure of that type, too, with the error as its cause. A person resolves it through a
    /// [`ControlPanel`](crate::ControlPanel::resolve_call).
    ///
    /// ```
    /// use resilient::prelude::*;
    ///
    /// async fn reserve(amount: u32) -> std::io::Result<String> {
    ///     Ok(format!("{amount} reserved"))
    /// }
    ///
    /// #[resilient_fn(type_id = "ReserveOnce", register = false)]
    /// async fn pay(amount: u32, context: &Context) -> resilient::Result<String> {
    ///     Ok(context.once("reserve", || reserve(amount)).await?)
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let context = Context::test();
    /// assert_eq!(pay(7, &context).await?, "7 reserved");
    /// assert_eq!(pay(8, &context.next_run()).await?, "7 reserved");
    /// # Ok::<(), resilient::Error>(())
    /// # })?;
    /// # Ok::<(), resilient::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Leave the function with `?`.
    /// - [`GuardError::Unknown`], [`GuardError::GivenUp`]: what an earlier run or a person has left under the name.
    /// - [`GuardError::NameTaken`], [`GuardError::Name`]: the name; the call was not made.
    /// - [`GuardError::Call`]: the call failed, so that its outcome is unknown from now on.
    /// - [`GuardError::Encode`]: the call was made, and its result cannot be stored, so that later runs do not know it.
    /// - [`GuardError::Decode`]: the result of an earlier run is not what this code expects.
    /// - [`GuardError::Save`]: what is known of the call could not be stored. When it is the marker, the call was not
    ///   made.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the marker stays, if it was stored.
    pub async fn once<T, E, C>(
        &self,
        name: impl AsRef<str>,
        call: impl FnOnce() -> C,
    ) -> Result<T, GuardError>
    where
        T: Serialize + DeserializeOwned,
        E: Into<BoxError>,
        C: Future<Output = Result<T, E>>,
    {
        let name = name.as_ref();
        let guarded = self.take_call(name)?;
        let stored = self.notes.read(|journal| journal.once.get(name).cloned()).unwrap_or_default();
        if let Some(value) = known(&stored, &guarded)? {
            return self.discretion().within(|| decode(value, guarded));
        }
        self.store_guard(name, |journal| &mut journal.once, AtMostOnce::Started).await?;
        let made = made(guarded, call(), GuardError::in_doubt);
        let (value, json) = self.discretion().during(made).await?;
        self.store_guard(name, |journal| &mut journal.once, AtMostOnce::Done(json)).await?;
        Ok(value)
    }

    /// Makes a call until a result of it is stored, and returns that result, in this run and in every later one.
    ///
    /// It is [`Scrapbook::at_least_once`](crate::Scrapbook::at_least_once) without a field: the result is noted under the
    /// name of the call, which stays the same from run to run and is used once in each. When a run ends before the
    /// result is stored, the next one makes the call again.
    ///
    /// # Errors
    ///
    /// Those of [`once`](Self::once), without `Unknown` and `GivenUp`.
    ///
    /// # Cancellation
    ///
    /// When the future is dropped, the call may have happened, and is made again.
    pub async fn at_least_once<T, E, C>(
        &self,
        name: impl AsRef<str>,
        call: impl FnOnce() -> C,
    ) -> Result<T, GuardError>
    where
        T: Serialize + DeserializeOwned,
        E: Into<BoxError>,
        C: Future<Output = Result<T, E>>,
    {
        let name = name.as_ref();
        let guarded = self.take_call(name)?;
        let stored = self.notes.read(|journal| journal.at_least_once.get(name).cloned());
        if let Some(AtLeastOnce::Done(value)) = stored {
            return self.discretion().within(|| decode(&value, guarded));
        }
        let made = made(guarded, call(), GuardError::call);
        let (value, json) = self.discretion().during(made).await?;
        self.store_guard(name, |journal| &mut journal.at_least_once, AtLeastOnce::Done(json)).await?;
        Ok(value)
    }

    fn take_call(&self, name: &str) -> Result<Guarded, GuardError> {
        check_text("name of a call", name)?;
        if self.notes.take_name("call", name) {
            Ok(Guarded::Call(name.to_owned()))
        } else {
            Err(GuardError::NameTaken { name: name.to_owned() })
        }
    }

    /// Notes what is known of a call and stores it, or leaves it as it was: a marker that is not stored would be stored
    /// with the next note, although the call was not made.
    async fn store_guard<G: Clone + Send>(
        &self,
        name: &str,
        guards: fn(&mut Journal) -> &mut BTreeMap<String, G>,
        value: G,
    ) -> Result<(), SaveError> {
        let mut before = None;
        let set = |journal: &mut Journal| before = guards(journal).insert(name.to_owned(), value);
        let stored = self.notes.store_call(self.number, set).await;
        // Another try of the body knows the call by now, or the outcome is stored without it.
        let Some(stored) = stored else { return Err(SaveError::LostOwnership { id: self.id.clone() }) };
        if stored.is_err() {
            self.notes.note(|journal| {
                match before {
                    Some(before) => guards(journal).insert(name.to_owned(), before),
                    None => guards(journal).remove(name),
                };
            });
        }
        stored
    }
}

/// Makes the call; its result, and the form in which that is stored.
async fn made<T: Serialize, E: Into<BoxError>>(
    guarded: Guarded,
    call: impl Future<Output = Result<T, E>>,
    failed: fn(Guarded, E) -> GuardError,
) -> Result<(T, Json), GuardError> {
    match call.await {
        Ok(value) => match Json::of(&value) {
            Ok(json) => Ok((value, json)),
            Err(source) => Err(GuardError::Encode { guarded, source }),
        },
        Err(error) => Err(failed(guarded, error)),
    }
}

fn decode<T: DeserializeOwned>(value: &Json, guarded: Guarded) -> Result<T, GuardError> {
    serde_json::from_str(value.text()).map_err(|error| GuardError::Decode {
        guarded,
        type_name: std::any::type_name::<T>(),
        problem: reader_says(&error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_taken_once_in_each_run() {
        let context = Context::test();
        assert_eq!(context.once("reserve", async || Ok::<_, String>(7)).await.unwrap(), 7);
        let again = context.once("reserve", async || Ok::<_, String>(8)).await.unwrap_err();
        let text =
            "this run has used the name `reserve` for a call already; give each call a name of its own";
        assert_eq!(again.to_string(), text);
        let other = context.at_least_once("reserve", async || Ok::<_, String>(8)).await.unwrap_err();
        assert_eq!(other.to_string(), text);
        assert_eq!(context.next_run().once("reserve", async || Ok::<_, String>(9)).await.unwrap(), 7);
        let none = context.once("", async || Ok::<_, String>(7)).await.unwrap_err();
        assert_eq!(none.to_string(), "the name of a call is empty; give at least one byte");
    }

    /// Before the marker is stored, between marker and result, and after it.
    #[tokio::test]
    async fn a_crash_at_any_point_never_makes_the_call_twice() {
        let mut ends = Vec::new();
        for n in 1..=3 {
            let calls = std::cell::Cell::new(0);
            let call = async || {
                calls.set(calls.get() + 1);
                Ok::<u32, String>(calls.get())
            };
            let crashed = Context::test().failing_at_save(n);
            let first = crashed.once("ship", call).await.is_ok();
            let second = crashed.next_run().once("ship", call).await.map_err(|error| error.to_string());
            ends.push((first, calls.get(), second.unwrap_or_default()));
        }
        assert_eq!(ends, [(false, 1, 1), (false, 1, 0), (true, 1, 1)]);
    }

    #[tokio::test]
    async fn a_result_that_cannot_be_stored_is_refused_by_its_field() {
        let context = Context::test();
        let error = context.once("weigh", async || Ok::<_, String>([1.0, f64::NAN])).await.unwrap_err();
        match error {
            GuardError::Encode { source, .. } => assert_eq!(source.field(), "[1]"),
            other => panic!("expected an encode error, got {other:?}"),
        }
        let error = context.next_run().once("weigh", async || Ok::<_, String>([1.0])).await.unwrap_err();
        assert!(error.to_string().starts_with("the outcome of `weigh` is unknown: "), "{error}");
    }

    #[tokio::test]
    async fn a_result_of_another_type_is_not_guessed() {
        let context = Context::test();
        context.at_least_once("count", async || Ok::<_, String>(7)).await.unwrap();
        let read = context.next_run().at_least_once("count", async || Ok::<_, String>("8".to_owned())).await;
        let text = "the stored result of `count` cannot be read as `alloc::string::String`: invalid type: integer `7`";
        assert!(read.unwrap_err().to_string().starts_with(text));
    }
}
