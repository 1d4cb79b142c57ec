//! `users`: the operator's hand on accounts. Works beside a running server, which feels each change within moments.

use super::Failure;
use super::operator::{Operator, link, make_link, usable_email};
use crate::config::Config;
use clap::Subcommand;
use sottovoce_actors::ports::identity::{LinkPurpose, RevokeReason};
use sottovoce_actors::time::rfc3339;
use sottovoce_protocol::ids::AccountId;

const PAGE: u32 = 200;
const AUDIT_LINES: u32 = 100;
const HOUR_MS: u64 = 3_600_000;

#[derive(Subcommand, Debug)]
pub(super) enum UsersCommand {
    /// List accounts
    List,
    /// Print a link with which somebody can make an account, once
    Invite {
        /// Good for this address only
        #[arg(long)]
        email: Option<String>,
    },
    /// Print a link that sets an account's password, once
    PasswordLink {
        #[arg(long)]
        email: String,
    },
    /// Stop an account: its keys and logins open nothing until it is resumed
    Suspend {
        #[arg(long)]
        email: String,
    },
    /// Let a suspended account go on
    Resume {
        #[arg(long)]
        email: String,
    },
    /// End every login of an account; its keys stay
    LogOut {
        #[arg(long)]
        email: String,
    },
    /// Delete an account with its jobs and their content
    Delete {
        #[arg(long)]
        email: String,
        /// Really
        #[arg(long)]
        yes: bool,
    },
    /// Show the newest security events, of an account or of all
    Audit {
        #[arg(long)]
        email: Option<String>,
    },
}

/// Runs a `users` command.
pub(super) async fn run(command: UsersCommand, config: Config) -> Result<(), Failure> {
    let operator = Operator::open(&config).await?;
    let done = act(&operator, command, &config).await;
    operator.close().await;
    done
}

async fn act(operator: &Operator, command: UsersCommand, config: &Config) -> Result<(), Failure> {
    let identity = &*operator.identity;
    let life = |ms: u64| operator.now.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX));
    match command {
        UsersCommand::List => list(operator).await,
        UsersCommand::Audit { email } => audit(operator, email).await,
        UsersCommand::Invite { email } => {
            let email = email.as_deref().map(usable_email).transpose()?;
            let until = life(config.auth.invitation_hours.saturating_mul(HOUR_MS));
            let secret = make_link(identity, LinkPurpose::Invitation, None, email.clone(), until).await?;
            operator.audit("operator_invited", None, email.unwrap_or_default()).await?;
            println!("an invitation, good once until {}:", rfc3339(until));
            println!("{}", link(config, LinkPurpose::Invitation, &secret));
            Ok(())
        }
        UsersCommand::PasswordLink { email } => {
            let account = operator.account(&email).await?;
            let until = life(config.auth.link_ms);
            let secret =
                make_link(identity, LinkPurpose::Password, Some(account.id), account.email, until).await?;
            operator.audit("operator_made_password_link", Some(account.id), String::new()).await?;
            println!("a link that sets the password, good once until {}:", rfc3339(until));
            println!("{}", link(config, LinkPurpose::Password, &secret));
            Ok(())
        }
        UsersCommand::Suspend { email } => suspend(operator, &email, true).await,
        UsersCommand::Resume { email } => suspend(operator, &email, false).await,
        UsersCommand::LogOut { email } => {
            let account = operator.account(&email).await?.id;
            let ended = identity.log_out_everywhere(account, RevokeReason::Admin, operator.now).await;
            ended.map_err(Failure::of)?;
            operator.audit("operator_logged_out", Some(account), String::new()).await?;
            println!("every login of {email} has ended");
            Ok(())
        }
        UsersCommand::Delete { email, yes } => {
            let account = operator.account(&email).await?.id;
            if !yes {
                return Err(Failure::Usage(format!(
                    "this deletes {email} with all jobs and transcripts; say --yes if you mean it"
                )));
            }
            identity.delete_account(account, operator.now).await.map_err(Failure::of)?;
            operator.audit("operator_deleted", Some(account), String::new()).await?;
            println!("{email} is deleted; a running server deletes what it left within a minute or two");
            Ok(())
        }
    }
}

async fn suspend(operator: &Operator, email: &str, suspended: bool) -> Result<(), Failure> {
    let account = operator.account(email).await?.id;
    operator.identity.set_suspended(account, suspended, operator.now).await.map_err(Failure::of)?;
    let (event, told) =
        if suspended { ("operator_suspended", "is suspended") } else { ("operator_resumed", "may go on") };
    operator.audit(event, Some(account), String::new()).await?;
    println!("{email} {told}");
    Ok(())
}

async fn list(operator: &Operator) -> Result<(), Failure> {
    let mut after: Option<AccountId> = None;
    println!("{:<36}  {:<9}  {:<24}  address", "id", "status", "made");
    loop {
        let page = operator.identity.accounts(after, PAGE).await.map_err(Failure::of)?;
        for account in &page {
            let address = account.email.as_deref().unwrap_or("-");
            let proof = if account.email_verified { " (confirmed)" } else { "" };
            let (status, made) = (account.status.as_str(), rfc3339(account.created_at));
            println!("{:<36}  {status:<9}  {made:<24}  {address}{proof}", account.id.to_string());
        }
        if page.len() < PAGE as usize {
            return Ok(());
        }
        after = page.last().map(|account| account.id);
    }
}

async fn audit(operator: &Operator, email: Option<String>) -> Result<(), Failure> {
    let account = match email {
        None => None,
        Some(email) => Some(operator.account(&email).await?.id),
    };
    let lines = operator.identity.audit_log(account, AUDIT_LINES).await.map_err(Failure::of)?;
    for line in lines.iter().rev() {
        let account = line.account.map_or_else(|| "-".to_owned(), |account| account.to_string());
        let address = line.address.as_deref().unwrap_or("-");
        println!("{}  {:<28}  {account:<36}  {address:<15}  {}", rfc3339(line.at), line.event, line.detail);
    }
    Ok(())
}
