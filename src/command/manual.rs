//! The commands as a page of documentation: `docs/commands.md` is this text, and a test holds that it is.

use super::args::COMMON_FLAGS;
use super::spec::Category;
use super::{COMMANDS, Spec};

/// The page.
pub fn page() -> String {
    let mut page = String::from(
        "# Commands\n\n\
         Made from the table of commands; `!help` says the same at the prompt. Everything that does not begin with `!` is SQL\n\
         and ends with `;`. A command ends with its line, unless its tail is SQL: then it ends with `;` too. Names can be\n\
         shortened as long as they are clear. Those marked *one-shot* can also be given on the command line:\n\
         `skep [OPTIONS] NAME …`.\n\n\
         REF is `%3`, `%%` (the last job), `%-` (the one before), a job id or at least 4 of its first digits, an operation id,\n\
         or a job's name. WHICH is a path, a checkpoint's number, `latest`, a label or `@time`.\n\n\
         Every command takes:\n\n",
    );
    flags(&mut page, &COMMON_FLAGS);
    for category in Category::ALL {
        page.push_str(&format!("\n## {}\n", category.title()));
        for spec in COMMANDS
            .iter()
            .map(|command| command.spec())
            .filter(|spec| spec.category == category)
        {
            section(&mut page, spec);
        }
    }
    page
}

fn section(page: &mut String, spec: &Spec) {
    page.push_str(&format!("\n### `{}`\n\n", spec.usage()));
    let one_shot = if spec.one_shot { " *One-shot.*" } else { "" };
    let mut summary = spec.summary.chars();
    let first = summary
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect::<String>();
    page.push_str(&format!("{first}{}.{one_shot}\n\n{}\n", summary.as_str(), spec.help));
    if !spec.flags.is_empty() {
        page.push('\n');
        flags(page, spec.flags);
    }
    if !spec.aliases.is_empty() {
        let aliases: Vec<_> = spec.aliases.iter().map(|alias| format!("`!{alias}`")).collect();
        page.push_str(&format!("\nAlso {}.\n", aliases.join(", ")));
    }
    page.push_str(&format!("\nExample: `{}`\n", spec.example));
}

fn flags(page: &mut String, flags: &[super::spec::Flag]) {
    page.push_str("| flag | meaning |\n|---|---|\n");
    for flag in flags {
        let short = flag.short.map(|letter| format!("`-{letter}`, ")).unwrap_or_default();
        let value = flag.value.map(|(name, _)| format!(" {name}")).unwrap_or_default();
        page.push_str(&format!("| {short}`--{}{value}` | {} |\n", flag.name, flag.help));
    }
}
