//! Groups: what waits is done together, and one's failure is its own.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Mutex,
    task::Poll,
};

use super::*;

/// A group that stores names, stops at the name `gate` and breaks at the name `bad`, and notes how many came together.
fn names(state: &State, gate: &Gate) -> (Gather<String, String>, Arc<Mutex<Vec<usize>>>) {
    let (gate, sizes) = (gate.clone(), Arc::<Mutex<Vec<usize>>>::default());
    let noted = Arc::clone(&sizes);
    let work = async move |tx: &DatabaseTransaction, names: &[String]| {
        noted.lock().unwrap().push(names.len());
        for name in names {
            match name.as_str() {
                "gate" => gate.pass().await,
                "bad" => return Err(Error::internal("broken")),
                name => insert(tx, name).await?,
            }
        }
        Ok(names.to_vec())
    };
    (state.writer.gather(8, work), sizes)
}

/// Has `wanted` wait behind the gate, opens it, and answers what they are told.
async fn behind_the_gate(gather: &Gather<String, String>, gate: &Gate, wanted: &[String]) -> Vec<Result<String>> {
    let rest = async {
        gate.entered().await;
        let mut all = pin!(join_all(wanted.iter().map(|name| gather.write(name.clone()))));
        let begun = poll_fn(|cx| Poll::Ready(all.as_mut().poll(cx).is_pending())).await;
        assert!(begun, "they wait");
        gate.open();
        all.await
    };
    let (first, rest) = tokio::join!(gather.write("gate".to_owned()), rest);
    first.unwrap();
    rest
}

#[actix_web::test]
async fn what_waits_is_done_together_and_each_is_told_its_own() {
    on_each(async |state| {
        let gate = Gate::new();
        let (gather, sizes) = names(&state, &gate);
        let wanted: Vec<String> = (0..10).map(|nth| format!("name {nth}")).collect();
        let told = behind_the_gate(&gather, &gate, &wanted).await;
        assert_eq!(told.into_iter().map(Result::unwrap).collect::<Vec<_>>(), wanted);
        assert_eq!(*sizes.lock().unwrap(), [1, 8, 2]);
        for name in wanted {
            assert!(exists(&state, &name).await, "{name}");
        }
    })
    .await;
}

#[actix_web::test]
async fn one_that_fails_spoils_no_other_of_its_group() {
    on_each(async |state| {
        let gate = Gate::new();
        let (gather, sizes) = names(&state, &gate);
        let wanted = ["before", "bad", "after"].map(str::to_owned);
        let before = rows(&state).await;
        let told = behind_the_gate(&gather, &gate, &wanted).await;
        assert_eq!(told.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(*sizes.lock().unwrap(), [1, 3, 1, 1, 1], "once together, then one by one");
        assert_eq!(rows(&state).await, before + 2);
    })
    .await;
}
