package customer

// What was issued to a customer stands while the customer is active and nobody has raised the generation under which it was
// issued. These are conditions on a row with the columns customer_id and generation. They hold whatever the website has cut off.
const (
	SessionAgrees = owned + "session_generation = generation)"
	TokenAgrees   = owned + "token_generation = generation)"
)

// It is alive, but for the clock and its own state, if the website has not cut it off either. The row has the column created_at
// too. Who checks says the same as who spends: both use these, in the statement that decides.
const (
	SessionStands = owned + "session_generation = generation AND c.sessions_cut < created_at)"
	TokenStands   = owned + "token_generation = generation AND c.tokens_cut < created_at)"
	LinkStands    = owned + "link_generation = generation AND c.links_cut < created_at)"
)

// customer_standing has none of the columns that are named bare after it, so these are the row's own.
const owned = "EXISTS (SELECT 1 FROM customer_standing c WHERE c.id = customer_id AND c.active AND c."
