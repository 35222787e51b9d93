use std::sync::OnceLock;

type Hook = Box<dyn Fn(&str) + Send + Sync>;

static HOOK: OnceLock<Hook> = OnceLock::new();

/// Calls `hook` with a name at places where tests want to fail: `store.before.<table>` and `store.after.<table>`
/// around each insert of a batch. Nothing happens there unless a hook is set; it can be set once a process.
pub fn set_failpoint_hook(hook: impl Fn(&str) + Send + Sync + 'static) {
    // A second hook is ignored: failing differently half way through a test would only confuse.
    let _ = HOOK.set(Box::new(hook));
}

pub(crate) fn failpoint(place: &str, table: &str) {
    if let Some(hook) = HOOK.get() {
        hook(&format!("store.{place}.{table}"));
    }
}
