package passkey

import _ "embed" // for Script

// ScriptName is what a door serves Script as.
const ScriptName = "passkey.js"

// Script is what a page needs to ask a browser. It works on forms of the class "passkey": data-options holds what is asked,
// data-act is "get" or "create", and the answer goes into the field "passkey" before the form is sent like any other.
//
//go:embed passkey.js
var Script []byte
