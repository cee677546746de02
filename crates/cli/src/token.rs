//! Tokens: `braidcast token` makes them, and a viewer shows them.

use crate::args::{Pass as PassArgs, Secret, Token as Args};
use crate::config::File;
use crate::{Wrong, say};
use access::{Claims, Pattern, Timestamp, Token};
use anyhow::{Context, Result};
use jiff::SignedDuration;
use manifest::{PublicKey, SecretKey};
use node::pass::Pass;
use origin::key;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

pub fn run(args: &Args) -> Result<ExitCode> {
    let secret = key::read(&args.key)?;
    let claims = claims(args).map_err(Wrong::wrap)?;
    say!("{}", Token::mint(&secret, args.kid.as_deref(), &claims).as_str());
    Ok(ExitCode::SUCCESS)
}

fn claims(args: &Args) -> Result<Claims> {
    let stream = Pattern::parse(&args.stream).with_context(|| format!("--stream {}", args.stream))?;
    let viewer = PublicKey::parse(&args.viewer).with_context(|| format!("--viewer {}", args.viewer))?;
    let most = access::Config::default().max_life;
    let life = args.life.parse().ok().and_then(|life: SignedDuration| Duration::try_from(life).ok());
    let life = life.filter(|life| life.as_secs() > 0 && *life <= most);
    let life = life.with_context(|| format!("--for {} is no time from 1s to 10m", args.life))?;
    let id = getrandom::u64().context("the system gives no random numbers")?;
    let claims = Claims::new(stream, viewer, &format!("{id:016x}"), now()?, life);
    Ok(Claims { site: args.site.clone(), ..claims })
}

/// What a viewer shows at trackers that ask for tokens.
pub fn pass(args: &PassArgs, file: &File) -> Result<Option<Pass>> {
    let url = args.token_url.as_ref().or(file.token_url.as_ref());
    if args.token.is_none() && url.is_none() {
        return Ok(None);
    }
    let key = match args.viewer_key.as_ref().or(file.viewer_key.as_ref()) {
        Some(path) => key::read(path)?,
        None => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).context("the system gives no random numbers")?;
            SecretKey::from_seed(seed)
        }
    };
    Ok(Some(match (&args.token, url) {
        (Some(Secret(token)), _) => Pass::given(key, token.trim().to_owned()),
        (None, Some(Secret(url))) => Pass::asked(key, url.parse().context("--token-url is no web address")?)?,
        (None, None) => return Ok(None),
    }))
}

/// As tokens and lists have it.
pub fn now() -> Result<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Ok(Timestamp(since.context("the clock is before 1970")?.as_secs()))
}
