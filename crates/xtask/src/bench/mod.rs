pub fn task(_: lexopt::Parser) -> anyhow::Result<()> {
    Ok(())
}
pub fn table_task(_: lexopt::Parser) -> anyhow::Result<()> {
    Ok(())
}
