// A Vendure shop of its own on loopback. Started by scripts/vendure:
//
//   node shop.js populate DIR          the sample products, once
//   node shop.js serve DIR PORT        until it is told to stop
//
// All state is in DIR. Owner: superadmin; the password comes from SHOP_PASSWORD.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { AdminUiPlugin } = require('@vendure/admin-ui-plugin');
const { AssetServerPlugin } = require('@vendure/asset-server-plugin');
const {
  bootstrap, DefaultJobQueuePlugin, DefaultLogger, DefaultSearchPlugin, dummyPaymentHandler, JobQueueService, LogLevel,
} = require('@vendure/core');
const { populate } = require('@vendure/core/cli');

const [, , verb, dir, port = '0'] = process.argv;
const assets = path.join(path.dirname(require.resolve('@vendure/create/package.json')), 'assets');

const config = {
  logger: new DefaultLogger({ level: LogLevel.Warn }),
  apiOptions: {
    hostname: '127.0.0.1', port: Number(port), adminApiPath: 'admin-api', shopApiPath: 'shop-api',
    // Noren stands before it: the visitor's address comes from there.
    trustProxy: 'loopback', cors: false, csrfPrevention: true,
    middleware: [{ route: 'store', handler: (req, res) => res.sendFile(path.join(__dirname, 'storefront.html')) }],
  },
  authOptions: {
    tokenMethod: ['bearer', 'cookie'], requireVerification: false,
    superadminCredentials: { identifier: 'superadmin', password: process.env.SHOP_PASSWORD },
    cookieOptions: { secret: process.env.SHOP_COOKIE_SECRET || process.env.SHOP_PASSWORD },
  },
  dbConnectionOptions: {
    type: 'sqljs', location: path.join(dir, 'shop.sqlite'), autoSave: true, synchronize: true, logging: false,
  },
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
  importExportOptions: { importAssetsDir: path.join(assets, 'images') },
  plugins: [
    AssetServerPlugin.init({ route: 'assets', assetUploadDir: path.join(dir, 'assets') }),
    DefaultJobQueuePlugin.init({ useDatabaseForBuffer: true }),
    DefaultSearchPlugin.init({ bufferUpdates: false, indexStockStatus: true }),
    AdminUiPlugin.init({ route: 'admin', port: Number(port) }),
  ],
};

async function fill() {
  const app = await populate(() => bootstrap(config), path.join(assets, 'initial-data.json'), path.join(assets, 'products.csv'));
  await app.get(JobQueueService).start();
  await new Promise(done => setTimeout(done, 5000)); // the index of the search is built by jobs
  await app.close();
}

async function serve() {
  const app = await bootstrap(config);
  await app.get(JobQueueService).start();
  console.log('listening');
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => process.exit(0));
  }
}

fs.mkdirSync(path.join(dir, 'assets'), { recursive: true });
({ populate: fill, serve })[verb]().then(
  () => verb === 'populate' && process.exit(0),
  err => { console.error(err); process.exit(1); },
);
