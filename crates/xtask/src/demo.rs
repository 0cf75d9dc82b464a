pub fn task(_: lexopt::Parser) -> anyhow::Result<()> {
    Ok(())
}
