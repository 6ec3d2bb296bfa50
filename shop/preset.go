package shop

// Preset is a named set of password rules. It supplies defaults; what an administrator sets at the same scope wins.
type Preset struct {
	Code, Label, Help string
	Defaults          map[string]string // by path
}

// Presets lists the presets. "commerce" is what the store's help page promises; it supplies nothing, because the
// built-in defaults are it. The others follow the published guidance for a store without a second factor:
//
//   - owasp: OWASP ASVS 5.0 §6.2.1, §6.2.4, §6.2.5
//   - nist: NIST SP 800-63B-4 §3.1.1.2
//   - cnil: CNIL, délibération 2022-100, the case of 50 bits together with throttled attempts
func Presets() []Preset {
	return []Preset{
		{
			Code: "commerce", Label: "Commerce",
			Help:     "At least 6 characters, no spaces, common passwords advised against, links valid for 24 hours.",
			Defaults: map[string]string{},
		},
		{
			Code: "owasp", Label: "OWASP",
			Help: "At least 8 characters of any kind, common passwords refused, links valid for 1 hour.",
			Defaults: map[string]string{
				MinimumPasswordLength: "8", RequiredCharacterClasses: "1", AllowWhiteSpace: "1",
				CommonPasswords: CommonPasswordsEnforce, LinkExpirationPeriod: "1",
			},
		},
		{
			Code: "nist", Label: "NIST",
			Help: "At least 15 characters of any kind, common passwords refused, links valid for 1 hour.",
			Defaults: map[string]string{
				MinimumPasswordLength: "15", RequiredCharacterClasses: "1", AllowWhiteSpace: "1",
				CommonPasswords: CommonPasswordsEnforce, LinkExpirationPeriod: "1",
			},
		},
		{
			Code: "cnil", Label: "CNIL",
			Help: "At least 8 characters of 3 classes, common passwords refused, links valid for 24 hours.",
			Defaults: map[string]string{
				MinimumPasswordLength: "8", RequiredCharacterClasses: "3", AllowWhiteSpace: "1",
				CommonPasswords: CommonPasswordsEnforce, LinkExpirationPeriod: "24",
			},
		},
	}
}

func presetOptions() []Option {
	var options []Option
	for _, preset := range Presets() {
		options = append(options, Option{Value: preset.Code, Label: preset.Label})
	}
	return options
}

// presetDefaults is what a preset supplies; nothing for one that does not exist.
func presetDefaults(code string) map[string]string {
	for _, preset := range Presets() {
		if preset.Code == code {
			return preset.Defaults
		}
	}
	return nil
}
