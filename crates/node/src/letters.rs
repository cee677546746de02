//! Names made of chance.

/// Letters and digits, each as likely as any other; `None` if the system has no randomness to give.
pub(crate) fn letters<const N: usize>() -> Option<[u8; N]> {
    const SIGNS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut letters = [0; N];
    let mut at = 0;
    while at < N {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).ok()?;
        // Above the last multiple of 62 the first signs would come too often.
        for byte in bytes.iter().filter(|byte| **byte < 248).take(N - at) {
            letters[at] = SIGNS[usize::from(byte % 62)];
            at += 1;
        }
    }
    Some(letters)
}
