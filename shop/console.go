package shop

// ConsoleURL is where administrators find the console, without /admin, from configuration alone: Custom Admin URL, in
// development the console's own listen address, else the host of the first store view. It is "" where nothing is set yet.
func (s *Snapshot) ConsoleURL() string {
	if own := s.Address(AdminURL); own != "" {
		return own
	}
	if s.devConsole != "" {
		return s.devConsole
	}
	for _, v := range s.views {
		if v.BaseURL != "" {
			host := v.base
			host.prefix = ""
			return host.String()
		}
	}
	return ""
}

// Staff is the store view whose sender and language letters to an administrator have: the first of their website (0: of all)
// that can send.
func (s *Snapshot) Staff(websiteID int64) (first *View, ok bool) {
	for _, v := range s.views {
		if websiteID != 0 && v.WebsiteID != websiteID {
			continue
		}
		if v.SenderEmail != "" {
			return v, true
		}
		if first == nil {
			first = v
		}
	}
	return first, first != nil
}
