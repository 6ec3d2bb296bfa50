package console

// Addresses are the methods and paths of every route, for tests that must not forget one.
func Addresses() (all [][2]string) {
	for _, r := range append(routes(), clientRoutes()...) {
		all = append(all, [2]string{r.method, r.path})
	}
	return all
}
