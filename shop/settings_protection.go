package shop

import "time"

// protectionSettings are those of the proof of work that is asked for under attack.
var protectionSettings = []Setting{
	{
		Path: ProtectionMode, Label: "Proof of Work",
		Help:    "Whether a browser must do some seconds of work before a sign-in, a password reset or a new account is taken. Automatic: only while far more than usual is going on.",
		Section: customerConfiguration, Group: protectionOptions,
		Type: Choice, Default: ProtectionAuto, Scopes: untilWebsites,
		Options: []Option{{ProtectionAuto, "Automatic"}, {ProtectionNever, "Never"}, {ProtectionAlways, "Always"}},
	},
	{
		Path: ProtectionResets, Label: "Unusual Number of Resets",
		Help:    "More password resets than this in ten minutes, or more new accounts, are an attack if they are also more than five times the website's average of the last seven days.",
		Section: customerConfiguration, Group: protectionOptions,
		Type: Number, Default: "100", Scopes: untilWebsites, Min: 2, Max: 10_000,
	},
	{
		Path: ProtectionFailures, Label: "Unusual Number of Failed Sign-Ins",
		Help:    "More failed sign-ins than this in ten minutes are an attack if they are also more than five times the website's average of the last seven days.",
		Section: customerConfiguration, Group: protectionOptions,
		Type: Number, Default: "200", Scopes: untilWebsites, Min: 2, Max: 10_000,
	},
	{
		Path: ProtectionDifficulty, Label: "Difficulty of the Proof",
		Help:    "How much work one proof is: each step is four times the one before.",
		Section: customerConfiguration, Group: protectionOptions,
		Type: Choice, Default: DifficultyNormal, Scopes: untilWebsites,
		Options: []Option{{DifficultyLight, "Light"}, {DifficultyNormal, "Normal"}, {DifficultyHeavy, "Heavy"}},
	},
	{
		Path: ProtectionWait, Label: "Waiting Time instead of a Proof",
		Help:    "How long after it was opened a form can be sent without a proof, by browsers without JavaScript.",
		Section: customerConfiguration, Group: protectionOptions,
		Type: Time, Unit: "seconds", Default: "30", Scopes: untilWebsites, Min: int64(time.Second), Max: int64(10 * time.Minute),
	},
	{
		Path: ProtectionWaits, Label: "Max Forms without a Proof per Client Address",
		Help:    "Limit the number of forms per hour from one client address that waited instead of proving work. Use 0 for no limit.",
		Section: customerConfiguration, Group: protectionOptions,
		Type: Number, Default: "6", Scopes: untilWebsites, Min: 0, Max: 10_000,
	},
	{
		Path: ProtectionAPI, Label: "Web API under Attack",
		Help:    "No program can show the proof of work. Ordinary: calls of the web API are limited per client address as ever. Strict: resets and failed sign-ins by programs that no integration vouches for count as forms without a proof. Choose it unless a storefront of yours calls the web API for all shoppers from one address.",
		Section: customerConfiguration, Group: protectionOptions,
		Type: Choice, Default: ProtectionOrdinary, Scopes: untilWebsites,
		Options: []Option{{ProtectionOrdinary, "Ordinary limits"}, {ProtectionStrict, "Strict"}},
	},
}
