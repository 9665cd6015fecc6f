//! Domain types, ports and the pure message flow of fanvue-bot.
