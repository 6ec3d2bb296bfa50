// Drives magento-api-rest, a public client of Adobe Commerce's REST API, as it comes from npm. Reads one JSON document
// from standard input, {"options": {…}, "calls": [[method, endpoint, argument], …]}, and writes what the store answered to each
// call, as one JSON list of {status, body}.
const fs = require('fs');
const { default: MagentoAPI } = require('magento-api-rest');

(async () => {
  const { options, calls } = JSON.parse(fs.readFileSync(0, 'utf8'));
  const client = new MagentoAPI(options);
  const answers = [];
  for (const [method, endpoint, argument] of calls) {
    try {
      const { status, data } = await client[method](endpoint, argument);
      answers.push({ status, body: data });
    } catch (e) {
      if (!e.response) throw e;
      answers.push({ status: e.response.status, body: e.response.data });
    }
  }
  process.stdout.write(JSON.stringify(answers));
})().catch((e) => { process.stderr.write(String(e && e.message)); process.exit(1); });
